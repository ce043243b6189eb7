#!/usr/bin/env bash
# A Slurm cluster of this machine alone, for tests:  slurm_cluster.sh start FOLDER | stop FOLDER
#
# Needs Debian's packages slurmctld, slurmd, slurm-client and munge, and root. Everything is kept in FOLDER: keys, state,
# logs and slurm.conf, to which /etc/slurm/slurm.conf becomes a link (a file that stands there is left alone, and refused).
# No accounting (so no sacct: ask squeue), no cgroups; a job over its memory is killed by polling.
set -euo pipefail
what=${1:?start or stop} folder=$(realpath -m "${2:?a folder}") conf=/etc/slurm/slurm.conf

stop() {
    local name pid
    for name in slurmd slurmctld munged; do
        pid=$(cat "$folder/$name.pid" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do  # slurmctld writes down its state before it goes
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
    if [ -L "$conf" ]; then rm -f "$conf"; fi
}

start() {
    if [ -e "$conf" ] && [ ! -L "$conf" ]; then
        echo "$conf is another cluster's; this script is for machines without Slurm at work" >&2
        return 1
    fi
    mkdir -p "$folder"/{munge,state,spool}
    chmod 711 "$folder"
    head -c 128 /dev/urandom > "$folder/munge/key"
    chmod 400 "$folder/munge/key"
    chown -R munge "$folder/munge"
    chmod 755 "$folder/munge"
    # munged wants folders that nobody else can write; a folder under /tmp is not that, so --force.
    setpriv --reuid=munge --regid=munge --clear-groups munged --force --key-file="$folder/munge/key" \
        --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" \
        --seed-file="$folder/munge/seed"
    cp "$folder/munge/pid" "$folder/munged.pid"
    local name memory
    name=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    cat > "$folder/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$name(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
MinJobAge=300
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$name Default=YES MaxTime=INFINITE State=UP
CONF
    ln -sfn "$folder/slurm.conf" "$conf"  # srun within a job looks nowhere else
    slurmctld -c
    slurmd
    for _ in $(seq 50); do
        sinfo --noheader --format=%t 2>/dev/null | grep -qE 'idle|mix|alloc' && return
        sleep 0.2
    done
    echo "the cluster did not come up; see $folder/slurmctld.log and $folder/slurmd.log" >&2
    stop
    return 1
}

"$what"
