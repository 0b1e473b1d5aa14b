"""What crosses a door inside this room: the wish of a person, the word of the cluster, and their names.

Frozen values only; imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

RawObject = dict[str, Any]


class Recipe(StrEnum):
    """A kind of manifest that the deploy form can make."""

    PRESET = "preset"
    CPU_CONTAINER = "cpu-container"
    OTHER = "other"

    @property
    def label(self) -> str:
        return {"preset": "Preset", "cpu-container": "CPU container", "other": "Other"}[self.value]


class Runtime(StrEnum):
    """Value of the annotation kaito.sh/runtime; KAITO takes anything else for vLLM."""

    VLLM = "vllm"
    TRANSFORMERS = "transformers"


class Dialect(StrEnum):
    """How a model is spoken to; see https://github.com/kaito-project/kaito/tree/v0.12.0/presets."""

    CHAT = "chat"
    VLLM = "openai-vllm"
    TRANSFORMERS = "openai-transformers"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return {
            "chat": "KAITO’s older /chat server",
            "openai-vllm": "OpenAI chat and completions (vLLM)",
            "openai-transformers": "OpenAI chat (transformers)",
            "unknown": "unknown until it answers",
        }[self.value]


class Phase(StrEnum):
    """Where a workspace stands, in one word; derived from its conditions, pods and node claims."""

    ON_THE_WAY = "on-the-way"
    READY = "ready"
    NOT_READY = "not-ready"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return self.value.replace("-", " ").capitalize()

    @property
    def tone(self) -> str:
        """Tabler colour name."""
        return {
            "on-the-way": "blue",
            "ready": "green",
            "not-ready": "yellow",
            "failed": "red",
            "deleting": "orange",
        }.get(self.value, "secondary")

    @property
    def icon(self) -> str:
        """Name in the icon sprite."""
        return {
            "on-the-way": "loader-2",
            "ready": "check",
            "not-ready": "alert-triangle",
            "failed": "x",
            "deleting": "trash",
            "deleted": "trash-off",
        }.get(self.value, "question-mark")


class OperationKind(StrEnum):
    CREATE = "create"
    DELETE = "delete"

    @property
    def label(self) -> str:
        return {"create": "Deploy", "delete": "Delete"}[self.value]


class OperationStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATUSES

    @property
    def label(self) -> str:
        return self.value.capitalize()

    @property
    def tone(self) -> str:
        return {"queued": "blue", "running": "blue", "succeeded": "green"}.get(self.value, "red")


FINAL_STATUSES = frozenset(
    {OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.REFUSED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetChoice:
    """inference.preset of a Workspace."""

    name: str
    access_secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerChoice:
    """The custom container of the CPU recipe: one Hugging Face model in KAITO's older /chat server."""

    model_id: str
    dtype: str = "float32"
    image: str = "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8"
    cpu_request: str = "2"
    cpu_limit: str = "4"
    memory_request: str = "8Gi"
    memory_limit: str = "16Gi"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSpec:
    """What a person asks for. Exactly one of `preset` and `container` is set, as `recipe` says."""

    name: str
    namespace: str
    recipe: Recipe
    instance_type: str
    count: int = 1
    match_labels: tuple[tuple[str, str], ...] = ()
    preset: PresetChoice | None = None
    container: ContainerChoice | None = None
    runtime: Runtime = Runtime.VLLM
    load_balancer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Marks that kaitoweb leaves on what it creates, so that what comes back up joins what was asked."""

    operation_id: str
    person_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    observed_generation: int | None = None

    @property
    def is_true(self) -> bool:
        return self.status == "True"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceStatus:
    """What the cluster says of a workspace; everything may be missing on a new or older object."""

    state: str = ""
    conditions: tuple[Condition, ...] = ()
    worker_nodes: tuple[str, ...] = ()
    target_node_count: int | None = None
    peak_tokens_per_minute: str = ""
    reconcile_error: str = ""

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.conditions if c.type == kind), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedWorkspace:
    """One Workspace object as the mirror keeps it."""

    uid: str
    namespace: str
    name: str
    resource_version: str
    generation: int
    recipe: Recipe
    model: str
    runtime: Runtime
    instance_type: str
    count: int
    status: WorkspaceStatus
    created_at: datetime | None = None
    deletion_requested_at: datetime | None = None
    operation_id: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """One container of a pod; `phase` is waiting, running or terminated."""

    name: str
    image: str = ""
    phase: str = "waiting"
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    since: datetime | None = None
    is_ready: bool = False
    is_init: bool = False
    restarts: int = 0
    last_reason: str = ""  # why the run before this one ended
    last_exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPod:
    uid: str
    namespace: str
    name: str
    workspace: str
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    node: str = ""
    conditions: tuple[Condition, ...] = ()
    containers: tuple[ContainerState, ...] = ()  # init containers first
    created_at: datetime | None = None
    deletion_requested_at: datetime | None = None

    @property
    def is_ready(self) -> bool:
        return any(c.type == "Ready" and c.is_true for c in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedNodeClaim:
    """What KAITO ordered a machine with; cluster-scoped, so it names its workspace's namespace by label."""

    uid: str
    name: str
    workspace_namespace: str
    workspace: str
    instance_type: str = ""
    node: str = ""
    conditions: tuple[Condition, ...] = ()
    created_at: datetime | None = None
    deletion_requested_at: datetime | None = None

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.conditions if c.type == kind), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedService:
    uid: str
    namespace: str
    name: str
    type: str = "ClusterIP"
    cluster_ip: str = ""
    external_address: str = ""
    ports: tuple[tuple[str, int], ...] = ()

    @property
    def is_headless(self) -> bool:
        return self.cluster_ip == "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedWorkload:
    """StatefulSet, Deployment or Job that runs a workspace."""

    uid: str
    kind: str
    namespace: str
    name: str
    replicas: int = 0
    ready_replicas: int = 0
    image: str = ""
    dialect: Dialect = Dialect.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedEvent:
    uid: str
    namespace: str
    object_kind: str
    object_name: str
    object_uid: str = ""
    type: str = "Normal"
    reason: str = ""
    message: str = ""
    source: str = ""
    count: int = 1
    first_at: datetime | None = None
    last_at: datetime | None = None
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependents:
    """What KAITO made for one workspace, as far as it has been seen."""

    pods: tuple[ParsedPod, ...] = ()
    node_claims: tuple[ParsedNodeClaim, ...] = ()
    services: tuple[ParsedService, ...] = ()
    workloads: tuple[ParsedWorkload, ...] = ()
