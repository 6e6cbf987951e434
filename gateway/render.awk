# SPDX-License-Identifier: Apache-2.0
# render.py's twin for an image without Python: awk -f render.awk nginx.conf.template
# It reads the settings from the environment; a test holds the two to each other.

BEGIN {
    forbidden = "[\"'\\\\${};\r\n]"
    set["RATE_LIMIT_FACTOR"] = "1"
    set["UPSTREAM_CONNECT_TIMEOUT"] = "1s"
    set["UPSTREAM_READ_TIMEOUT"] = "10s"
    set["WORKER_PROCESSES"] = "auto"
    for (name in ENVIRON) set[name] = ENVIRON[name]

    factor = set["RATE_LIMIT_FACTOR"]
    if (factor !~ /^[0-9]+([.][0-9]+)?$/ || factor + 0 <= 0 || factor + 0 > 1000000)
        fault("RATE_LIMIT_FACTOR is not a number between 0 and 1000000")
    limit("ADDRESS_RATE", 100); limit("ADDRESS_BURST", 400)
    limit("TOKEN_RATE", 50);    limit("TOKEN_BURST", 100)
    limit("SIGNUP_RATE", 20);   limit("SIGNUP_BURST", 19)
    limit("LOGIN_RATE", 60);    limit("LOGIN_BURST", 59)

    if (length(ENVIRON["RUN_DIR"] "/inner.sock") > 107)
        fault("RUN_DIR is too long for the path of a socket")
}

{
    while (match($0, /[$][{][A-Z_]+[}]/)) {
        text = text substr($0, 1, RSTART - 1) value(substr($0, RSTART + 2, RLENGTH - 3))
        $0 = substr($0, RSTART + RLENGTH)
    }
    text = text $0 "\n"
}

END {
    if (faults != "") {
        print "render: " faults > "/dev/stderr"
        exit 1
    }
    printf "%s", text
}

function limit(name, most,    times) {
    times = int(most * factor + 0.5)
    if (!(name in ENVIRON)) set[name] = times < 1 ? 1 : times
}

function value(name) {
    # A container has one user, and it is nginx's.
    if (name == "USER_LINE") return ""
    if (name in set && set[name] != "" && set[name] !~ forbidden) return set[name]
    fault(name (name in set ? " is empty or has a character that would end it" : " is missing"))
}

function fault(what) {
    if (index(faults, what) == 0) faults = faults (faults == "" ? "" : "; ") what
}
