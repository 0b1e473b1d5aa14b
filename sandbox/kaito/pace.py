"""How long things take, in seconds at speed 1: about 25 from a preset's creation to Ready.

On Azure a node takes minutes and weights take minutes; the proportions are kept.
"""

CLAIM_S = 1.0  # KAITO makes node claims
LAUNCH_S = 3.0  # Azure makes the VM
REGISTER_S = 2.5  # it joins the cluster
INITIALIZE_S = 1.5  # its network comes up
PLUGIN_S = 1.0  # the GPU device plugin reports
LAUNCH_RETRY_S = 30.0
CAPACITY_RETRY_S = 5.0  # until karpenter gives a claim up and deletes it
HOLD_S = 5.0  # between looks at something that is held up on purpose

SCHEDULE_S = 0.3
PULL_S = 4.0
INIT_CONTAINER_S = 2.0
DOWNLOAD_S = 4.0
LOAD_S = 3.5
TEMPLATE_LOAD_S = 5.0
BENCHMARK_S = 3.0
PROBE_EVERY_S = 2.0
LIVENESS_S = 12.0  # failed probes until the container is killed
STARTUP_LIMIT_S = 120.0  # 30 minutes and more in real life
TRAIN_S = 12.0
PUSH_S = 3.0
OLD_PATIENCE_S = 180.0  # KAITO 0.7 waits so long for a workload
PROGRESS_LIMIT_S = 90.0  # ten minutes of a Deployment's progress deadline
RECREATE_S = 3.0  # a failed pod of a StatefulSet
CRASH_S = 2.0
PULL_ERROR_S = 1.0
RETRY_CONFIG_S = 5.0
FIRST_BACKOFF_S = 10.0
LAST_BACKOFF_S = 300.0

LOAD_BALANCER_S = 3.0
DRAIN_S = 1.0
TERMINATE_S = 6.0
FINALIZE_S = 1.0
LOOK_AGAIN_S = 10.0  # KAITO does not watch pods
NODES_AGAIN_S = 1.0


def backoff_s(attempt: int) -> float:
    """The kubelet's, for images and for crashes: doubled each time up to five minutes."""
    return min(FIRST_BACKOFF_S * 2**attempt, LAST_BACKOFF_S)
