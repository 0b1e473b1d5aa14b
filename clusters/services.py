"""The verbs on cluster connections: connect, renew, test, disconnect. Each takes who asks, and leaves its audit entry.

Unlike other verbs these speak with the cluster while somebody waits: a connection that was never tried is no use.
"""

from __future__ import annotations

import re
from dataclasses import asdict

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

import audit.services
from accounts.people import Caller, may_administer
from accounts.refusals import record_refusal
from audit.types import SYSTEM, Actor, Outcome, Target
from clusters import gateway, probing
from clusters.addresses import check_endpoint
from clusters.credentials import Unsealable, seal, unseal
from clusters.errors import ClusterError, Denied, Refused
from clusters.kubeconfigs import Connection, KubeconfigError, parse_kubeconfig
from clusters.models import Cluster, ClusterKind, ClusterState
from clusters.probing import Findings

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# What a kubeconfig says of a cluster; a change in one of them makes a new revision.
CONNECTION_FIELDS = ("endpoint", "ca_pem", "tls_server_name", "default_namespace")


def connect_cluster(kubeconfig_text: str, *, name: str, context: str, by: Caller) -> Cluster:
    """Try the connection, then keep it. Raises Refused, with an entry of its own in the audit, and keeps nothing."""
    try:
        return _connect(kubeconfig_text, name, context, by)
    except Refused as refusal:
        record_refusal(
            by, "cluster.connect", Target(kind="Cluster", cluster=name[:63]), reason=refusal.message
        )
        raise


def renew_cluster(cluster: Cluster, kubeconfig_text: str, *, context: str, by: Caller) -> None:
    """Try fresh credentials for `cluster`, then put them in the old ones' place; rows and history stay. Raises Refused."""
    try:
        _renew(cluster, kubeconfig_text, context, by)
    except Refused as refusal:
        record_refusal(by, "cluster.renew", _target(cluster), reason=refusal.message)
        raise


def test_cluster(cluster: Cluster, *, by: Caller) -> Findings:
    """Ask the cluster anew and keep what it says. Raises Refused, and ClusterError (kept too)."""
    if not may_administer(by.person):
        record_refusal(by, "cluster.test", _target(cluster))
        raise Refused("Only administrators may test a cluster.")
    return refresh_findings(cluster)


def disconnect_cluster(cluster: Cluster, *, by: Caller) -> None:
    """Forget the credentials and watch no more; nothing changes in the cluster. Harmless when done already."""
    if not may_administer(by.person):
        record_refusal(by, "cluster.disconnect", _target(cluster))
        raise Refused("Only administrators may disconnect a cluster.")
    _disconnect(cluster, by.actor)


def disconnect_sandboxes() -> None:
    """For whoever runs this machine: a real cluster takes the sandbox's place. The sandbox's state stays in its folder."""
    for cluster in Cluster.objects.filter(kind=ClusterKind.SANDBOX, disconnected_at=None):
        _disconnect(cluster, SYSTEM)


def _disconnect(cluster: Cluster, actor: Actor) -> None:
    with transaction.atomic():
        connected = Cluster.objects.filter(pk=cluster.pk, disconnected_at=None)
        if connected.update(
            disconnected_at=timezone.now(), sealed_credentials="", revision=F("revision") + 1
        ):
            _record(actor, "cluster.disconnect", cluster)
    gateway.forget(cluster)


def ensure_cluster(
    *, name: str, kind: ClusterKind, kubeconfig_text: str, context: str = ""
) -> Cluster:
    """Have `name` connected as the kubeconfig says; for whoever runs this machine. Does not ask the cluster.

    Idempotent; a changed kubeconfig raises the revision, so that watchers and gateways begin anew. Raises Refused.
    """
    _check_name(name)
    connection = _parsed(kubeconfig_text, context)
    check_endpoint(connection.endpoint, from_operator=True, plain_http=kind == ClusterKind.SANDBOX)
    with transaction.atomic():
        cluster = (
            Cluster.objects.select_for_update().filter(name=name, disconnected_at=None).first()
        )
        if cluster is None:
            return _create(_built(name, kind, connection), SYSTEM)
        _update(cluster, connection)
    return cluster


def refresh_findings(cluster: Cluster) -> Findings:
    """Probe, and keep what was found or why it failed on the row. Raises ClusterError."""
    try:
        findings = probing.probe(gateway.for_cluster(cluster))
    except ClusterError as error:
        state = ClusterState.DENIED if isinstance(error, Denied) else ClusterState.UNREACHABLE
        _save(cluster, state=state, last_error=error.message, last_error_at=timezone.now())
        raise
    _save(cluster, last_error="", last_contact_at=timezone.now(), **_found(findings))
    return findings


def _connect(kubeconfig_text: str, name: str, context: str, by: Caller) -> Cluster:
    if not may_administer(by.person):
        raise Refused("Only administrators may connect a cluster.")
    _check_name(name)
    if Cluster.objects.filter(name=name, disconnected_at=None).exists():
        raise Refused("A cluster of this name is connected already.", "name")
    connection = _parsed(kubeconfig_text, context)
    check_endpoint(connection.endpoint)
    cluster = _built(name, ClusterKind.KUBECONFIG, connection)
    findings = _tried(cluster)
    for field, value in {**_found(findings), "last_contact_at": timezone.now()}.items():
        setattr(cluster, field, value)
    cluster.created_by = by.actor.name
    try:
        with transaction.atomic():
            return _create(cluster, by.actor)
    except IntegrityError as error:
        raise Refused("A cluster of this name is connected already.", "name") from error


def _renew(cluster: Cluster, kubeconfig_text: str, context: str, by: Caller) -> None:
    """Of the same address only: what is known of one cluster must not be swept by another's list."""
    if not may_administer(by.person):
        raise Refused("Only administrators may renew a sign-in.")
    connection = _parsed(kubeconfig_text, context)
    if connection.endpoint != cluster.endpoint:
        words = f"This leads to {connection.endpoint}, and {cluster.name} is at {cluster.endpoint}. Connect another cluster under a name of its own."
        raise Refused(words, "kubeconfig")
    findings = _tried(_built(cluster.name, ClusterKind(cluster.kind), connection))
    with transaction.atomic():
        locked = Cluster.objects.select_for_update().filter(pk=cluster.pk, disconnected_at=None)
        held = locked.filter(endpoint=connection.endpoint).first()
        if held is None:
            raise Refused(f"{cluster.name} was disconnected, or moved, meanwhile.")
        _put(held, connection)
        _save(held, last_error="", last_contact_at=timezone.now(), **_found(findings))
        _record(by.actor, "cluster.renew", held)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused(
            "Use lower-case letters, digits and dashes; begin and end with a letter or digit; at most 63.",
            "name",
        )


def _parsed(kubeconfig_text: str, context: str) -> Connection:
    try:
        return parse_kubeconfig(kubeconfig_text, context=context)
    except KubeconfigError as error:
        where = f"Line {error.line}: " if error.line else ""
        raise Refused(where + error.message, "kubeconfig") from error


def _built(name: str, kind: ClusterKind, connection: Connection) -> Cluster:
    return Cluster(
        name=name,
        kind=kind.value,
        endpoint=connection.endpoint,
        ca_pem=connection.ca_pem,
        tls_server_name=connection.tls_server_name,
        default_namespace=connection.namespace,
        sealed_credentials=seal(connection.secrets),
    )


def _tried(cluster: Cluster) -> Findings:
    """Findings of a cluster that has no row yet."""
    trial = gateway.Gateway(cluster)
    try:
        return probing.probe(trial)
    except ClusterError as error:
        raise Refused(
            " ".join(filter(None, (error.message, error.detail))), "kubeconfig"
        ) from error
    finally:
        trial.close()


def _create(cluster: Cluster, actor: Actor) -> Cluster:
    cluster.save(force_insert=True)
    _record(actor, "cluster.connect", cluster)
    return cluster


def _update(cluster: Cluster, connection: Connection) -> None:
    fresh = _built(cluster.name, ClusterKind(cluster.kind), connection)
    same = all(getattr(cluster, field) == getattr(fresh, field) for field in CONNECTION_FIELDS)
    if same and _secrets(cluster) == connection.secrets:
        return
    _put(cluster, connection)
    _record(SYSTEM, "cluster.connect", cluster)


def _put(cluster: Cluster, connection: Connection) -> None:
    """Make the locked row say what `connection` says, as a new revision."""
    fresh = _built(cluster.name, ClusterKind(cluster.kind), connection)
    for field in (*CONNECTION_FIELDS, "sealed_credentials"):
        setattr(cluster, field, getattr(fresh, field))
    cluster.revision += 1  # the row is locked
    cluster.save(update_fields=[*CONNECTION_FIELDS, "sealed_credentials", "revision"])


def _secrets(cluster: Cluster) -> dict[str, str] | None:
    try:
        return unseal(cluster.sealed_credentials)
    except Unsealable:
        return None


def _found(findings: Findings) -> dict[str, object]:
    capabilities = asdict(findings)
    identity, namespaces = capabilities.pop("identity"), capabilities.pop("namespaces")
    state = ClusterState.OK if findings.has_kaito else ClusterState.KAITO_MISSING
    return {
        "identity": identity,
        "namespaces": list(namespaces),
        "capabilities": {**capabilities, "rights": list(capabilities["rights"])},
        "state": state.value,
    }


def _save(cluster: Cluster, **values: object) -> None:
    """Unless the connection was edited or given up meanwhile: it is another cluster's answer then."""
    Cluster.objects.filter(pk=cluster.pk, revision=cluster.revision).update(**values)
    for field, value in values.items():
        setattr(cluster, field, value)


def _record(actor: Actor, action: str, cluster: Cluster) -> None:
    audit.services.record(
        actor=actor,
        action=action,
        outcome=Outcome.SUCCEEDED,
        target=_target(cluster),
        detail={"endpoint": cluster.endpoint, "revision": cluster.revision},
    )


def _target(cluster: Cluster) -> Target:
    return Target(kind="Cluster", cluster=cluster.name, name=cluster.name)
