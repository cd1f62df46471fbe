"""Templates of job scripts, for providers of a script's own.

They are filled in by ``ClusterProvider._write_submit_script``, with the variables that Parsl's templates have. The
providers of this package do without: their ``script()`` shows what they submit.
"""

from __future__ import annotations


def _script(*directives: str) -> str:
    body = ("${scheduler_options}", "", "${worker_init}", "", "export JOBNAME='${jobname}'", "", "${user_script}", "")
    return "\n".join(("#!/bin/bash", "", *directives, *body))


_NAMED = "${submit_script_dir}/${jobname}.submit"

SLURM = _script(
    "#SBATCH --job-name=${jobname}",
    "#SBATCH --time=${walltime}",
    "#SBATCH --nodes=${nodes}",
    "#SBATCH --ntasks-per-node=${tasks_per_node}",
    "#SBATCH --output=${job_stdout_path}",
    "#SBATCH --error=${job_stderr_path}",
)
PBSPRO = _script(
    "#PBS -N ${jobname}",
    "#PBS -l walltime=${walltime}",
    "#PBS -l select=${nodes_per_block}:ncpus=${ncpus}${select_options}",
    "#PBS -o ${job_stdout_path}",
    "#PBS -e ${job_stderr_path}",
)
TORQUE = _script(
    "#PBS -N ${jobname}",
    "#PBS -l walltime=${walltime}",
    "#PBS -l nodes=${nodes_per_block}:ppn=${tasks_per_node}",
    f"#PBS -o {_NAMED}.stdout",
    f"#PBS -e {_NAMED}.stderr",
    "#PBS -S /bin/bash",
)
LSF = _script(
    "#BSUB -J ${jobname}",
    "#BSUB -W ${walltime}",
    f"#BSUB -o {_NAMED}.stdout",
    f"#BSUB -e {_NAMED}.stderr",
)
GRID_ENGINE = _script(
    "#$$ -N ${jobname}",
    "#$$ -l h_rt=${walltime}",
    f"#$$ -o {_NAMED}.stdout",
    f"#$$ -e {_NAMED}.stderr",
    "#$$ -S /bin/bash",
    "#$$ -cwd",
)
CONDOR = """\
executable = ${job_script}
transfer_input_files = ${input_files}
environment = ${environment}
requirements = ${requirements}
+projectname = ${project}
output = ${submit_script_dir}/${job_name}.$$(Cluster).$$(Process).stdout
error = ${submit_script_dir}/${job_name}.$$(Cluster).$$(Process).stderr
log = ${submit_script_dir}/${job_name}.$$(Cluster).$$(Process).log
should_transfer_files = YES
when_to_transfer_output = ON_EXIT
${scheduler_options}
queue ${nodes}
"""
