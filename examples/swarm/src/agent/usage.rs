//! What this process uses, as far as its system says (`/proc` of Linux).

use std::time::Instant;

/// Clock ticks a second, in which `/proc` counts CPU time on every Linux.
const TICKS: f64 = 100.0;

/// What is used.
pub(crate) struct Usage {
    pub(crate) uptime_seconds: f64,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) memory_bytes: Option<f64>,
}

/// Looks at it again and again.
pub(super) struct Meter {
    started: Instant,
    /// When it last looked, and the CPU seconds used until then.
    last: (Instant, f64),
}

impl Meter {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Meter { started: now, last: (now, cpu_seconds().unwrap_or_default()) }
    }

    /// What is used now; CPU since the last look.
    pub(super) fn look(&mut self) -> Usage {
        let now = Instant::now();
        let cpu_percent = cpu_seconds().map(|used| {
            let (since, before) = std::mem::replace(&mut self.last, (now, used));
            let seconds = now.duration_since(since).as_secs_f64();
            if seconds > 0.0 { 100.0 * (used - before) / seconds } else { 0.0 }
        });
        let uptime_seconds = now.duration_since(self.started).as_secs_f64();
        Usage { uptime_seconds, cpu_percent, memory_bytes: memory_bytes() }
    }
}

/// The 14th and 15th fields of `stat`: user and system time. The second, the name, may hold spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

fn memory_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}
