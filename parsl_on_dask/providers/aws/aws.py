"""Workers on virtual machines of Amazon's EC2."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from parsl_on_dask.arguments import need
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.providers.cloud import CloudProvider, refuse, set_environment


@dataclass(eq=False, repr=False)
class AWSProvider(CloudProvider):
    """Describes an ``EC2Cluster`` of ``dask_cloudprovider``: a machine is a block.

    Constructing it asks nothing of the network. The parameters are Parsl's. It was never tried against EC2 itself.

    Parameters
    ----------
    image_id : str
        The machines' image.
    key_name : str
        The key pair that lets you in by ssh.
    init_blocks, min_blocks, max_blocks : int
        Machines at the start, at the least when idle, at the most.
    nodes_per_block : int
        Must be 1.
    parallelism : float
    worker_init : str
        Shell commands that are run when a machine has started.
    instance_type, region : str
    spot_max_bid : float
        More than 0: spot machines, at the price of the day.
    key_file : str, optional
        JSON file with ``AWSAccessKeyId`` and ``AWSSecretKey``. Default: Amazon's own settings.
    profile : str, optional
        Which of Amazon's profiles is used.
    iam_instance_profile_arn : str
    state_file, walltime, launcher
        Accepted, without effect: machines end with the kernel.
    linger : bool
        Must be False.

    Raises
    ------
    ConfigurationError
        When an argument cannot be honoured.
    """

    package = "dask_cloudprovider.aws"
    cluster_class = "EC2Cluster"
    extra = "aws"

    _unused = ("state_file", "walltime", "launcher")
    _unused_why = "has no effect: machines end with the kernel"

    image_id: str
    key_name: str
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 10
    nodes_per_block: int = 1
    parallelism: float = 1
    worker_init: str = ""
    instance_type: str = "t2.small"
    region: str = "us-east-2"
    spot_max_bid: float = 0
    key_file: str | None = None
    profile: str | None = None
    iam_instance_profile_arn: str = ""
    state_file: str | None = None
    walltime: str = "01:00:00"
    linger: bool = False
    launcher: Any = None

    def __post_init__(self) -> None:
        owner = type(self).__name__
        need(owner, "image_id", self.image_id, str, hint="Write the id of an image, for example 'ami-0123456789'.")
        need(owner, "key_name", self.key_name, str)
        refuse(owner, "nodes_per_block", self.nodes_per_block, 1, "a block is a machine. Write max_blocks= instead.")
        refuse(owner, "linger", self.linger, False, "machines end with the kernel. Leave it out.")
        super().__post_init__()

    def cluster_arguments(self) -> dict[str, Any]:
        if self.key_file is not None:
            names = {"AWSAccessKeyId": "AWS_ACCESS_KEY_ID", "AWSSecretKey": "AWS_SECRET_ACCESS_KEY"}
            set_environment(type(self).__name__, self.key_file, names)
        if self.profile is not None:
            if os.environ.get("AWS_PROFILE", self.profile) != self.profile:
                raise ConfigurationError(
                    f"AWSProvider(profile={self.profile!r}): AWS_PROFILE is {os.environ['AWS_PROFILE']!r} in the "
                    "environment. Leave one of them out."
                )
            os.environ["AWS_PROFILE"] = self.profile
        arguments: dict[str, Any] = {
            "region": self.region,
            "ami": self.image_id,
            "instance_type": self.instance_type,
            "key_name": self.key_name,
            "n_workers": self.first_workers(),
            "spot": self.spot_max_bid > 0,
        }
        if self.iam_instance_profile_arn:
            arguments["iam_instance_profile"] = {"Arn": self.iam_instance_profile_arn}
        if self.worker_init:
            arguments["extra_bootstrap"] = [self.worker_init]
        return arguments
