"""The domain: KAITO workspaces wished for, watched and mirrored."""
