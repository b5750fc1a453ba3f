# What is started for clients to be tried against, and how it is waited for and stopped; read by the scripts that try them.
#
# They set `python`, an interpreter, and `binary`, the program; `server` is the process started, if any, whose log is "$work/log".

work=$(mktemp -d)
server=
failed=0

# Ends what was started, which has half a minute for it.
stop() {
    [[ -n $server ]] || return
    kill "$server" 2>/dev/null
    if ! timeout 30 tail --pid="$server" -f /dev/null; then
        echo '  FAILED  what was started did not stop within half a minute:' && tail -n 20 "$work/log"
        failed=1
        kill -KILL "$server"
    fi
    wait "$server" 2>/dev/null
    server=
}

trap 'failed=$(($? | failed)); stop; rm -rf "$work"; exit $failed' EXIT

# Looks a tenth of a second apart, for half a minute.
await() {
    for _ in $(seq 300); do
        "$@" && return 0
        read -rt 0.1 <> <(:) || true
    done
    echo "  FAILED  $* never held:" && tail -n 20 "$work/log"
    exit 1
}

answers() { [[ $(redis-cli -p "$port" ping 2>/dev/null) == PONG ]]; }

# Whether all three say that every slot has all copies.
is_whole() {
    local node
    for node in 0 1 2; do
        "$binary" status --json "127.0.0.1:$((port + node))" 2>/dev/null | grep -q '"slots":{"full":16384,' || return 1
    done
}

# A port such that it, and those 1,000 and 2,000 above it, begin three free ones each.
free_port() {
    "$python" - <<'PYTHON'
import random, socket

def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

while True:
    port = random.randrange(10_000, 29_000)
    if all(is_free(port + offset + node) for offset in (0, 1_000, 2_000) for node in range(3)):
        print(port)
        break
PYTHON
}

# start_node [OPTION...]: a node on its own at $port.
start_node() {
    "$binary" server --port "$port" "$@" >"$work/log" 2>&1 &
    server=$!
    await answers
}

# start_ring [OPTION...]: three nodes at $port and above, for cluster clients at $cluster_port, 1,000 above.
start_ring() {
    cluster_port=$((port + 1000))
    "$binary" local-cluster --nodes 3 --port "$port" -- --workers 2 "$@" >"$work/log" 2>&1 &
    server=$!
    await is_whole
}

# still_runs NAME: says so, with the end of its log, if what was started has ended, or one of a ring's nodes.
still_runs() {
    kill -0 "$server" 2>/dev/null && ! grep -q 'ended' "$work/log" && return
    echo "  FAILED  $1 died, or a node of it:" && tail -n 40 "$work/log"
    failed=1
}
