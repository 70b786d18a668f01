//! A system without System V shared memory, and a sandbox that blocks its system calls: a
//! seccomp(2) filter refuses those of one thread.

#![cfg(feature = "capi")]
#![allow(clippy::unwrap_used)] // tests are meant to fail

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr;
use std::thread;

use shm_util::{Reason, Segment};

unsafe extern "C" {
    fn shmCreate(
        name: *const c_char,
        size: c_long,
        address: *mut *mut c_void,
        memory: *mut *mut c_void,
    ) -> c_int;
    safe fn shmxErrorReason() -> c_int;
}

/// The system calls that shmget(3) may make. Some processors have one for all of System V IPC, and
/// since Linux 5.1 also one for each function.
#[cfg(any(target_arch = "x86", target_arch = "s390x", target_arch = "powerpc64"))]
const SHMGET: [c_long; 2] = [libc::SYS_ipc, 395];
#[cfg(not(any(target_arch = "x86", target_arch = "s390x", target_arch = "powerpc64")))]
const SHMGET: [c_long; 2] = [libc::SYS_shmget; 2];

/// Makes shmget(2) fail in the calling thread.
fn block_shmget(errno: i32) {
    let statement = |code: u32, equal: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: equal,
        k,
    };
    let error = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
    let [one, other] = SHMGET.map(|call| u32::try_from(call).unwrap());
    let mut filter = [
        // The number of the system call is the first field of seccomp_data.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, one),
        statement(libc::BPF_RET | libc::BPF_K, 0, error),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, other),
        statement(libc::BPF_RET | libc::BPF_K, 0, error),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 6,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the arguments are numbers.
    let forbidden = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(forbidden, 0);
    // SAFETY: the kernel copies the filter, which has the given length.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    assert_eq!(result, 0);
}

#[test]
fn errors_say_that_system_v_is_missing_or_blocked_and_what_to_do() {
    for (errno, start, end) in [
        (
            libc::ENOSYS,
            "this system has no System V shared memory, or a sandbox blocks it; use a kernel with \
             CONFIG_SYSVIPC (Android's lack it), allow shmget, shmat, shmdt and shmctl, or set \
             NOB_DATABASE to a directory (it ends in /) or to private:",
            ": Function not implemented",
        ),
        (
            libc::EPERM,
            "a sandbox blocks System V shared memory; allow shmget, shmat, shmdt and shmctl, or \
             set NOB_DATABASE to a directory (it ends in /) or to private:",
            ": Operation not permitted",
        ),
    ] {
        let refused = thread::spawn(move || {
            block_shmget(errno);
            let error = Segment::create("x", 1).unwrap_err();
            let mut memory = ptr::null_mut();
            // SAFETY: the name ends with a zero byte; the handle may be written.
            let status = unsafe { shmCreate(c"x".as_ptr(), 1, ptr::null_mut(), &raw mut memory) };
            (error, status, shmxErrorReason())
        });
        let (error, status, reason) = refused.join().unwrap();
        assert_eq!((error.errno(), error.reason()), (errno, Reason::NoSystemV));
        assert_eq!((status, reason), (errno, 13));
        let text = error.to_string();
        assert!(text.starts_with("find the registry of "), "{text}");
        assert!(text.contains(&format!(": {start}")), "{text}");
        assert!(text.ends_with(end), "{text}");
    }
}
