#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs Debian packages without letting them start their system-wide services: Souk runs
# private servers of its own and leaves the system's alone.
set -eu
policy=/usr/sbin/policy-rc.d
kept=/usr/sbin/policy-rc.d.kept-by-souk

restore() {
  rm -f "$policy"
  if [ -e "$kept" ]; then mv "$kept" "$policy"; fi
}
trap restore EXIT
trap 'exit 130' INT TERM HUP

# A kept policy that is already there is the machine's own, left by a run that was killed.
if [ -e "$policy" ] && [ ! -e "$kept" ]; then mv "$policy" "$kept"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get install --yes --quiet --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}
# The lists are fetched only when the ones at hand do not do: that saves most of the time.
install "$@" || {
  apt-get update --quiet -o DPkg::Lock::Timeout=300
  install "$@"
}
