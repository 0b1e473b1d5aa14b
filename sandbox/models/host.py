"""The `/metrics` of KAITO's transformers servers: JSON about this machine, here always a CPU's."""

import os
from pathlib import Path
from typing import Any

_GIB = 1024**3


def metrics() -> dict[str, Any]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = os.cpu_count() or 1
    memory = {
        "used": f"{(total - _available(total)) / _GIB:.2f} GB",
        "total": f"{total / _GIB:.2f} GB",
    }
    cpu = {
        "load_percentage": round(min(100.0, 100 * os.getloadavg()[0] / cores), 1),
        "physical_cores": cores,
        "total_cores": cores,
        "memory": memory,
    }
    return {"gpu_info": None, "cpu_info": cpu}


def _available(total: int) -> int:
    """Linux tells; elsewhere nothing is known to be free."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    sizes = dict(line.split(":", 1) for line in lines)
    return min(total, int(sizes["MemAvailable"].split()[0]) * 1024)
