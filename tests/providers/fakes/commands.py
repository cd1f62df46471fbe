"""The commands of batch systems, as their manuals say they behave as far as providers can see.

``main`` is given the system, the command and its arguments; each call is noted in the file ``calls``.
"""

from __future__ import annotations

import getopt
import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

from tests.providers.fakes.system import ENDED, Job, System, refuse

system = System(Path(os.environ.get("FAKE_BATCH_HOME", "/nonexistent")))
SERVER = "head.site.org"


def directives(path: str, mark: str) -> list[tuple[str, str]]:
    """Options in the head of a script: it ends at the first line that is no comment, as for all systems."""
    found = []
    for line in Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith(mark + " "):
            words = shlex.split(line.removeprefix(mark + " "))
            if len(words) == 1 and words[0].startswith("--"):
                option, _, value = words[0].partition("=")
                found.append((option, value))
            else:
                found.append((words[0], " ".join(words[1:])))
    return found


def last(options: list[tuple[str, str]], name: str, default: str = "") -> str:
    return next((value for option, value in reversed(options) if option == name), default)


def clock(text: str) -> float:
    total = 0
    for part in text.split(":"):
        total = total * 60 + int(part)
    return total


def number_of(job_id: str) -> int:
    """Number of a job by its id: ``7``, ``7.head``, or of an array ``7_0``, ``7[0].head``, ``7.0``."""
    match = re.match(r"(\d+)(?:_(\d+)|\[(\d+)\]|\.(\d+))?", job_id)
    if match is None:
        return 0
    index = next((part for part in match.groups()[1:] if part), None)
    alone = system.find(int(match[1]))
    if index is None or (alone is not None and not alone.array):  # HTCondor's have a number behind a dot always
        return int(match[1])
    job = system.find(int(match[1]), int(index))
    return job.number if job else 0


# -- Slurm ------------------------------------------------------------------------------------


def sbatch(arguments: list[str]) -> None:
    options = directives(arguments[-1], "#SBATCH")
    if last(options, "--partition") == "closed":
        refuse("sbatch: error: invalid partition specified: closed", 1)
    limit = last(options, "--time")
    seconds = clock(limit) if ":" in limit else int(limit) * 60
    if last(options, "--array"):
        paths = last(options, "--output"), last(options, "--error")
        what = last(options, "--job-name"), arguments[-1], *paths, walltime(seconds)
        first = system.submit_array(last(options, "--array"), "%a", "SLURM_ARRAY_TASK_ID", *what)
        print(f"Submitted batch job {first.number}")
        return
    job = system.submit(
        last(options, "--job-name"),
        arguments[-1],
        last(options, "--output"),
        last(options, "--error"),
        walltime(seconds),
        SLURM_JOB_NAME=last(options, "--job-name"),
    )
    cluster = last(options, "--clusters")
    print(f"Submitted batch job {job.number}" + (f" on cluster {cluster}" if cluster else ""))


def walltime(seconds: float) -> float:
    """Walltimes have minutes; those of a test are shortened."""
    return seconds * float(system.knob("scale") or 1)


def squeue(arguments: list[str]) -> None:
    options = dict(word.partition("=")[::2] for word in arguments)
    jobs = system.jobs()
    if "--name" in options:
        for job in jobs.values():
            if job.name == options["--name"]:
                print(job.number)
        return
    shown = {number_of(job_id): job_id for job_id in options["--jobs"].split(",")}
    asked = list(shown)
    if len(asked) == 1 and asked[0] not in jobs:
        refuse("slurm_load_jobs error: Invalid job id specified", 1)
    names = {
        "queued": ("PENDING", 0, "Resources"),
        "held": ("PENDING", 0, "JobHeldUser"),
        "running": ("RUNNING", 0, "None"),
        "cancelled": ("CANCELLED", 15, "None"),
        "timeout": ("TIMEOUT", 1, "TimeLimit"),
    }
    for number in asked:
        if number in jobs:
            job = jobs[number]
            failed = ("FAILED", (job.code or 0) * 256, "NonZeroExitCode")
            name, code, reason = names.get(job.state) or (failed if job.code else ("COMPLETED", 0, "None"))
            print(f"{shown[number]:<40}{name:<30}{code:<30}{reason:<200}")


def sacct(arguments: list[str]) -> None:
    refuse("Slurm accounting storage is disabled", 1)


def scancel(arguments: list[str]) -> None:
    for word in arguments:
        if not word.startswith("-") and not system.cancel(number_of(word)):
            refuse(f"scancel: error: Kill job error on job id {word}: Invalid job id specified", 1)


# -- PBS Pro, Torque and Moab -------------------------------------------------------------------


def qsub_pbs(arguments: list[str]) -> None:
    given, files = getopt.getopt(arguments, "q:A:")
    options = directives(files[0], "#PBS") + given
    if last(options, "-q") == "closed":
        refuse("qsub: Unknown queue MSG=cannot locate queue closed", 170)
    resources = dict(w.partition("=")[::2] for o, v in options if o == "-l" for w in v.split(","))
    end = walltime(clock(resources["walltime"]))
    what = last(options, "-N"), files[0], last(options, "-o"), last(options, "-e"), end
    if last(options, "-J"):
        first = system.submit_array(last(options, "-J"), "^array_index^", "PBS_ARRAY_INDEX", *what)
        print(f"{first.number}[].{SERVER}")
        return
    job = system.submit(*what)
    print(f"{job.number}.{SERVER}")


_PBS = {"queued": "Q", "held": "H", "running": "R"}


def qstat_pbspro(arguments: list[str]) -> None:
    options, ids = getopt.getopt(arguments, "xfF:")
    assert ("-F", "json") in options
    jobs, shown, missing = system.jobs(), {}, []
    for job_id in ids:
        job = jobs.get(number_of(job_id))
        if job is None:
            missing.append(job_id)
            continue
        # the name of the server is cut
        number = job.number if job.index < 0 else f"{job.array}[{job.index}]"
        shown[f"{number}.head"] = entry = {"Job_Name": job.name, "job_state": _PBS.get(job.state, "F")}
        if job.state == "queued":
            entry["comment"] = "Not Running: Insufficient amount of resource: ncpus"
        elif job.state in ENDED:
            entry["Exit_status"] = {"cancelled": 271, "timeout": -29}.get(job.state, job.code)
            entry["substate"] = 91 if job.state == "cancelled" else 92 if not job.code else 93
    print(json.dumps({"timestamp": int(time.time()), "pbs_server": "head", "Jobs": shown}, indent=4))
    unknown(missing)


def qstat_torque(arguments: list[str]) -> None:
    _, ids = getopt.getopt(arguments, "f")
    jobs, missing = system.jobs(), []
    for job_id in ids:
        job = jobs.get(number_of(job_id))
        if job is None:
            missing.append(job_id)
            continue
        print(f"Job Id: {job_id}\n    Job_Name = {job.name}\n    job_state = {_PBS.get(job.state, 'C')}")
        print("    Variable_List = PBS_O_HOME=/root,PBS_O_LANG=C,\n\tPBS_O_LOGNAME=root")
        if job.state in ENDED:
            print(f"    exit_status = { {'cancelled': 271, 'timeout': -11}.get(job.state, job.code) }")
        print()
    unknown(missing)


def unknown(missing: list[str]) -> None:
    for job_id in missing:
        print(f"qstat: Unknown Job Id {job_id}", file=sys.stderr)
    if missing:
        sys.exit(153)


def qdel_pbs(arguments: list[str]) -> None:
    failed = False
    for job_id in arguments:
        if not system.cancel(number_of(job_id)):
            print(f"qdel: Request invalid for state of job {job_id}", file=sys.stderr)
            failed = True
    if failed:
        sys.exit(170)


def msub(arguments: list[str]) -> None:
    options = directives(arguments[0], "#PBS")
    resources = dict(w.partition("=")[::2] for o, v in options if o == "-l" for w in v.split(","))
    if last(options, "-q") == "closed":
        refuse("ERROR:    invalid class closed", 1)
    end = walltime(clock(resources["walltime"]))
    job = system.submit(last(options, "-N"), arguments[0], last(options, "-o"), last(options, "-e"), end)
    print(f"\nMoab.{job.number}")


def moab_job(job_id: str) -> Job | None:
    return system.jobs().get(number_of(job_id.removeprefix("Moab.")))


def checkjob(arguments: list[str]) -> None:
    job = moab_job(arguments[0])
    if job is None:
        refuse(f"ERROR:  invalid job specified ({arguments[0]})", 1)
        return
    words = {"queued": "Idle", "held": "UserHold", "running": "Running", "cancelled": "Removed", "timeout": "Removed"}
    print(f"job {arguments[0]}\n\nAName: {job.name}\nState: {words.get(job.state, 'Completed')}")
    if job.state == "done":
        print(f"Completion Code: {job.code}  Time: Sun Nov 22 12:00:00")


def canceljob(arguments: list[str]) -> None:
    for job_id in arguments:
        if not system.cancel(number_of(job_id.removeprefix("Moab."))):
            refuse(f"ERROR:  invalid job specified ({job_id})", 1)


# -- LSF ------------------------------------------------------------------------------------------


def bsub(arguments: list[str]) -> None:
    if arguments:
        path = arguments[0]
    else:
        path = str(system.home / f"stdin-{time.time()}")
        Path(path).write_text(sys.stdin.read())
    options = directives(path, "#BSUB")
    if last(options, "-q") == "closed":
        refuse("closed: No such queue. Job not submitted.", 255)
    hours, _, minutes = last(options, "-W").rpartition(":")
    end = walltime((int(hours or 0) * 60 + int(minutes)) * 60)
    name, _, indices = last(options, "-J").rstrip("]").partition("[")
    what = path, last(options, "-o"), last(options, "-e"), end
    job = system.submit_array(indices, "%I", "LSB_JOBINDEX", name, *what) if indices else system.submit(name, *what)
    print(f"Job <{job.number}> is submitted to default queue <q4>.")


def bjobs(arguments: list[str]) -> None:
    fields = "jobid jobindex stat exit_code" if any("[" in word for word in arguments) else "jobid stat exit_code"
    assert arguments[:3] == ["-noheader", "-o", fields]
    jobs, missing = system.jobs(), False
    words = {"queued": "PEND", "held": "PSUSP", "running": "RUN", "cancelled": "EXIT", "timeout": "EXIT"}
    codes = {"cancelled": "130", "timeout": "140"}
    for job_id in arguments[3:]:
        job = jobs.get(number_of(job_id))
        if job is None:
            print(f"Job <{job_id}> is not found", file=sys.stderr)
            missing = True
        else:
            done = ("DONE", "-") if not job.code else ("EXIT", str(job.code))
            word, code = (words[job.state], codes.get(job.state, "-")) if job.state in words else done
            number = [job_id] if "jobindex" not in fields else [job.array or job.number, max(job.index, 0)]
            print(*number, word, code)
    if missing:
        sys.exit(255)


def bkill(arguments: list[str]) -> None:
    failed = False
    for job_id in arguments:
        if system.cancel(number_of(job_id)):
            print(f"Job <{job_id}> is being terminated")
        else:
            print(f"Job <{job_id}>: Job has already finished", file=sys.stderr)
            failed = True
    if failed:
        sys.exit(255)


# -- Grid Engine ------------------------------------------------------------------------------------


def qsub_sge(arguments: list[str]) -> None:
    path = arguments[-1]
    assert "-terse" in arguments
    options = directives(path, "#$")
    if arguments[0] == "-q" and arguments[1] == "closed":
        refuse('Unable to run job: Job was rejected because job requests unknown queue "closed".\nExiting.', 1)
    limits = dict(v.partition("=")[::2] for o, v in options if o == "-l")
    end = walltime(clock(limits["h_rt"]))
    what = Path(path).name, path, last(options, "-o"), last(options, "-e"), end
    indices = last(options, "-t")
    if indices:
        print(f"{system.submit_array(indices, '$TASK_ID', 'SGE_TASK_ID', *what).number}.{indices}:1")
    else:
        print(system.submit(*what).number)


def qstat_sge(arguments: list[str]) -> None:
    words = {"queued": "qw", "held": "hqw", "running": "r"}
    alive = [job for job in system.jobs().values() if job.state in words]
    if alive:
        print("job-ID  prior   name       user         state submit/start at     queue       slots ja-task-ID")
        print("-" * 100)
    for job in alive:
        place = "all.q@host" if job.state == "running" else ""
        owner, since = "root        ", "11/22/2026 12:00:00"
        task = "" if job.index < 0 else f" {job.index}"
        number = job.array or job.number
        print(f"{number:7d} 0.55500 {job.name[:10]:10} {owner} {words[job.state]:5} {since} {place} 1{task}")


def qacct(arguments: list[str]) -> None:
    job = system.find(int(arguments[1]), int(arguments[3]) if len(arguments) > 2 else None)
    if job is None or job.state not in ENDED:
        refuse(f"error: job id {arguments[1]} not found", 1)
        return
    failed = {"timeout": "37  : qmaster enforced h_rt limit", "cancelled": "100 : assumedly after job"}
    print("=" * 62 + f"\nqname        all.q\njobnumber    {job.number}")
    print(f"failed       {failed.get(job.state, 0)}\nexit_status  {137 if job.state in failed else job.code}")
    print(f"deleted_by   {'root@host' if job.state == 'cancelled' else 'NONE'}")


def qdel_sge(arguments: list[str]) -> None:
    for job_id in arguments:
        if not system.cancel(number_of(job_id)):
            refuse(f'denied: job "{job_id}" does not exist', 1)
        print(f"root has registered the job {job_id} for deletion")


# -- HTCondor -----------------------------------------------------------------------------------------


def condor_submit(arguments: list[str]) -> None:
    attributes = {}
    for line in Path(arguments[-1]).read_text().splitlines():
        name, equals, value = line.partition(" = ")
        if equals and not line.startswith("#"):
            attributes[name.lower()] = value
    if "closed" in attributes.get("requirements", ""):
        refuse("ERROR: Parse error in expression: \n\trequirements = closed", 1)
    script = attributes["transfer_input_files"].split(",")[0]
    assert Path(script).name == attributes["arguments"].strip('"')
    remove = re.search(r"> (\d+)", attributes.get("periodic_remove", ""))
    variables = dict(word.partition("=")[::2] for word in shlex.split(attributes["environment"].strip('"')))
    job = system.submit(
        "block",
        script,
        attributes["output"],
        attributes["error"],
        walltime(int(remove[1])) if remove else None,
        **variables,
    )
    print(f"Submitting job(s).\n1 job(s) submitted to cluster {job.number}.")


def condor_jobs(arguments: list[str], ended: bool) -> None:
    ids = [word for word in arguments if word[0].isdigit()]
    assert "-json" in arguments
    numbers = {"queued": 1, "running": 2, "cancelled": 3, "timeout": 3, "done": 4, "held": 5}
    found = []
    for job_id in ids:
        job = system.jobs().get(number_of(job_id))
        removed = job is not None and job.state in ("cancelled", "timeout")
        if job is None or removed != ended:
            continue
        entry = {"ClusterId": job.number, "ProcId": 0, "JobStatus": numbers[job.state]}
        if job.state == "done":
            entry |= {"ExitBySignal": False, "ExitCode": job.code}
        elif job.state == "held":
            entry["HoldReason"] = "via condor_hold (by user root)"
        elif removed:
            periodic = "The job attribute PeriodicRemove expression evaluated to TRUE"
            entry["RemoveReason"] = periodic if job.state == "timeout" else "via condor_rm (by user root)"
        found.append(entry)
    if found:
        print(json.dumps(found))


def condor_q(arguments: list[str]) -> None:
    condor_jobs(arguments, ended=False)


def condor_history(arguments: list[str]) -> None:
    condor_jobs(arguments, ended=True)


def condor_rm(arguments: list[str]) -> None:
    for job_id in arguments:
        if not system.cancel(number_of(job_id)):
            refuse(f"Couldn't find/remove all jobs matching constraint {job_id}", 1)
        print(f"Job {job_id} marked for removal")


# -- OAR ------------------------------------------------------------------------------------------------


def oarsub(arguments: list[str]) -> None:
    assert arguments[0] == "-S"
    path = shlex.split(arguments[1])[0]
    options = directives(path, "#OAR")
    if last(options, "-q") == "closed":
        refuse("# ERROR: Queue closed does not exist", 6)
    resources = dict(w.partition("=")[::2] for w in last(options, "-l").split(","))
    end = walltime(clock(resources["walltime"]))
    job = system.submit(last(options, "-n"), path, last(options, "-O"), last(options, "-E"), end)
    print(f"[ADMISSION RULE] 2 rules applied\nOAR_JOB_ID={job.number}")


def oarstat(arguments: list[str]) -> None:
    assert arguments[:2] == ["-J", "-j"]
    job = system.jobs().get(int(arguments[2]))
    if job is None:
        return
    words = {"queued": "Waiting", "held": "Hold", "running": "Running", "cancelled": "Error", "timeout": "Error"}
    entry = {"state": words.get(job.state, "Terminated"), "exit_code": None}
    if job.state == "done":
        entry["exit_code"] = (job.code or 0) * 256
    print(json.dumps({str(job.number): entry}))


def oardel(arguments: list[str]) -> None:
    for job_id in arguments:
        if not system.cancel(int(job_id)):
            refuse(f"[{job_id}] job is already ended", 5)


COMMANDS = {
    "slurm": {"sbatch": sbatch, "squeue": squeue, "sacct": sacct, "scancel": scancel},
    "pbspro": {"qsub": qsub_pbs, "qstat": qstat_pbspro, "qdel": qdel_pbs},
    "torque": {"qsub": qsub_pbs, "qstat": qstat_torque, "qdel": qdel_pbs},
    "moab": {"msub": msub, "checkjob": checkjob, "canceljob": canceljob},
    "lsf": {"bsub": bsub, "bjobs": bjobs, "bkill": bkill},
    "sge": {"qsub": qsub_sge, "qstat": qstat_sge, "qacct": qacct, "qdel": qdel_sge},
    "condor": {
        "condor_submit": condor_submit,
        "condor_q": condor_q,
        "condor_history": condor_history,
        "condor_rm": condor_rm,
    },
    "oar": {"oarsub": oarsub, "oarstat": oarstat, "oardel": oardel},
}
ASKING = {"squeue", "sacct", "qstat", "qacct", "bjobs", "condor_q", "condor_history", "checkjob", "oarstat"}


def main(which: str, command: str, *given: str) -> None:
    arguments = list(given)
    with open(system.home / "calls", "a") as calls:
        calls.write(shlex.join([command, *arguments]) + "\n")
    if command in ASKING and system.knob("broken") is not None:
        refuse("cannot reach the server", 1)
    pause = float(system.knob("slow") or 0)
    if command in (system.knob("slow commands") or command):
        time.sleep(pause)
    COMMANDS[which][command](arguments)
    time.sleep(float(system.knob("linger") or 0) if command not in ASKING else 0)
