"""Forms of the wishes: what a person types becomes a value that services take."""

from workspaces.forms.deleting import DeleteForm
from workspaces.forms.pages import DeployPage, deploy_page

__all__ = ["DeleteForm", "DeployPage", "deploy_page"]
