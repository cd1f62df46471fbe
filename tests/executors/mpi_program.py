"""A program for several MPI ranks, without a compiler: rank 0 prints how many there are, their sum, and their nodes.

It speaks to Open MPI's library, or MPICH's, through ctypes.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket


def main() -> None:
    open_mpi = "OMPI_COMM_WORLD_SIZE" in os.environ
    mpi = ctypes.CDLL("libmpi.so.40" if open_mpi else "libmpich.so.12", mode=ctypes.RTLD_GLOBAL)
    if open_mpi:
        world, integer, characters, plus = [
            ctypes.byref(ctypes.c_char.in_dll(mpi, name))
            for name in ("ompi_mpi_comm_world", "ompi_mpi_int", "ompi_mpi_char", "ompi_mpi_op_sum")
        ]
    else:
        world, integer, characters, plus = [ctypes.c_int(n) for n in (0x44000000, 0x4C000405, 0x4C000101, 0x58000003)]
    mpi.MPI_Init(None, None)
    rank, size, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    mpi.MPI_Comm_rank(world, ctypes.byref(rank))
    mpi.MPI_Comm_size(world, ctypes.byref(size))
    mpi.MPI_Allreduce(ctypes.byref(rank), ctypes.byref(total), 1, integer, plus, world)
    node = os.environ.get("SLURMD_NODENAME") or os.environ.get("VIRTUAL_NODE") or socket.gethostname()
    mine = ctypes.create_string_buffer(node.encode(), 64)
    names = ctypes.create_string_buffer(64 * size.value)
    mpi.MPI_Gather(mine, 64, characters, names, 64, characters, 0, world)
    if rank.value == 0:
        nodes = [names.raw[64 * i : 64 * i + 64].split(b"\0")[0].decode() for i in range(size.value)]
        print(json.dumps({"size": size.value, "sum": total.value, "nodes": nodes}))
    mpi.MPI_Finalize()


if __name__ == "__main__":
    main()
