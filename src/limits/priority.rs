//! Work that can wait yields to what somebody waits for.

/// How much a thread yields: 0 not at all, 19 to everything.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// From now on the calling thread, of one's own and not of a pool, yields the processor to all others.
pub fn yield_to_others() {
    // Linux counts the priority by thread, whatever POSIX says.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a thread keeps the priority of all else");
    }
}
