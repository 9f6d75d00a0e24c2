//! What depends on the architecture of a machine: each fact has its home here. What the kernel's own Kconfig calls it is
//! known where that is read, and the name of its image is asked of make.

/// An architecture, by what is done with its machines.
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// Its name for Rust, `uname -m`, and QEMU's programs.
    pub name: &'static str,
    /// Distributions' name for QEMU's package with it.
    pub qemu_package: &'static str,
    /// QEMU's arguments for a machine, if there is no usual one.
    pub qemu_machine: &'static [&'static str],
    /// The kernel's parameters for a console that shows its first words.
    pub console: &'static str,
    /// The kernel's parameters on an emulated machine, without which it takes a slow one for a broken one.
    pub emulated: &'static [&'static str],
}

/// 64-bit x86.
pub const X86_64: Arch = Arch {
    name: "x86_64",
    qemu_package: "x86",
    qemu_machine: &[],
    console: "console=ttyS0 earlyprintk=serial,ttyS0",
    // The timer is tested in a loop that counts on a processor of its own.
    emulated: &["no_timer_check"],
};

/// 64-bit Arm.
pub const AARCH64: Arch = Arch {
    name: "aarch64",
    qemu_package: "arm",
    qemu_machine: &["-machine", "virt,gic-version=max"],
    console: "console=ttyAMA0 earlycon",
    emulated: &[],
};

/// Any other: as much as is common.
const OTHER: Arch = Arch {
    name: std::env::consts::ARCH,
    qemu_package: std::env::consts::ARCH,
    qemu_machine: &[],
    console: "console=ttyS0",
    emulated: &[],
};

/// That of this machine.
pub fn host() -> &'static Arch {
    [&X86_64, &AARCH64].into_iter().find(|arch| arch.name == std::env::consts::ARCH).unwrap_or(&OTHER)
}

impl Arch {
    /// What the names of the compilers for this architecture begin with on a machine of architecture `host`.
    pub fn compiler_prefix(&self, host: &Self) -> String {
        if self == host { String::new() } else { format!("{}-linux-gnu-", self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_for_the_own_machine_has_no_prefix() {
        assert_eq!(X86_64.compiler_prefix(&X86_64), "");
        assert_eq!(X86_64.compiler_prefix(&AARCH64), "x86_64-linux-gnu-");
        assert_eq!(host().name, std::env::consts::ARCH);
    }
}
