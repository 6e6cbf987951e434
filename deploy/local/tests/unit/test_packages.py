# SPDX-License-Identifier: Apache-2.0
import os
import stat
import subprocess
from pathlib import Path

import pytest

from souk_local import packages
from souk_local.packages import INSTALLER, PackagesMissing, installation_command, missing

LACKING = {"present": ("sh", "/bin/sh"), "half": ("sh", "/no/such/file"), "absent": ("no-such-x",)}


def test_a_package_is_missing_when_one_of_its_files_is():
    assert missing(LACKING) == ["half", "absent"]


def test_without_root_and_sudo_the_exact_command_is_named(monkeypatch):
    monkeypatch.setattr(packages, "FILES", LACKING)
    monkeypatch.setattr(packages, "_may_use_sudo", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages.shutil, "which", lambda name, path=None: name == "apt-get" or None)
    with pytest.raises(PackagesMissing) as refusal:
        packages.ensure_installed(["absent"])
    assert f"sudo {INSTALLER} absent" in str(refusal.value)


def test_the_command_names_a_program_that_is_there():
    program = Path(installation_command(["nginx"]).split()[1])
    assert os.access(program, os.X_OK)


def stub(folder, name, text):
    program = folder / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def machine(tmp_path):
    """The installer for a machine whose policy and apt-get are files of this test."""
    policy = tmp_path / "policy-rc.d"
    installer = tmp_path / "install"
    installer.write_text(INSTALLER.read_text().replace("/usr/sbin/policy-rc.d", str(policy)))

    def install(apt_get):
        stub(tmp_path, "apt-get", f'echo "$*" >>{tmp_path}/calls\n{apt_get}')
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(["sh", installer, "nginx"], check=False, env={"PATH": path})

    return tmp_path, policy, install


def test_services_are_forbidden_to_start_while_packages_are_installed(machine):
    _, policy, install = machine
    assert install(f"{policy}; test $? = 101").returncode == 0
    assert not policy.exists()


@pytest.mark.parametrize("apt_get", ["exit 0", "exit 100", "kill -TERM $PPID; exit 1"])
def test_the_machines_own_policy_is_put_back(machine, apt_get):
    folder, policy, install = machine
    stub(folder, policy.name, "exit 7")
    install(apt_get)
    assert policy.read_text() == "#!/bin/sh\nexit 7\n"
    assert not list(folder.glob("*kept*"))


def test_a_policy_that_a_killed_run_put_aside_is_put_back(machine):
    folder, policy, install = machine
    stub(folder, "policy-rc.d.kept-by-souk", "exit 7")
    stub(folder, policy.name, "exit 101")
    install("exit 0")
    assert policy.read_text() == "#!/bin/sh\nexit 7\n"


def test_the_lists_are_fetched_only_when_the_installation_fails(machine):
    folder, _, install = machine
    assert install("exit 0").returncode == 0
    assert "update" not in (folder / "calls").read_text()

    second = f'[ "$1" = update ] && touch {folder}/updated; test -e {folder}/updated'
    assert install(second).returncode == 0
