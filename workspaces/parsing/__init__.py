"""Raw objects in, frozen values out. Total and tolerant: whatever is missing or unknown never raises.

New objects have no status, older KAITO versions lack fields, and people edit what they like.
"""

from workspaces.parsing.dependents import (
    parse_event,
    parse_node_claim,
    parse_pod,
    parse_service,
    parse_workload,
)
from workspaces.parsing.raw import (
    at,
    items,
    mapping,
    moment,
    owner_of,
    resource_version_of,
    text,
    uid_of,
)
from workspaces.parsing.redaction import carries_secret, redacted, summarise_managers
from workspaces.parsing.servers import dialect_of, workspace_dialect
from workspaces.parsing.workspaces import (
    OPERATION_ANNOTATION,
    parse_status,
    parse_workspace,
    spec_from_manifest,
)

__all__ = [
    "items",
    "mapping",
    "moment",
    "text",
    "OPERATION_ANNOTATION",
    "at",
    "carries_secret",
    "dialect_of",
    "owner_of",
    "parse_event",
    "parse_node_claim",
    "parse_pod",
    "parse_service",
    "parse_status",
    "parse_workload",
    "parse_workspace",
    "redacted",
    "resource_version_of",
    "spec_from_manifest",
    "summarise_managers",
    "uid_of",
    "workspace_dialect",
]
