//! Functions that the system calls before `main` and at the end of the program.

/// Has a function called before `main`, before the program can do anything.
macro_rules! at_start {
    ($function:path) => {
        #[used]
        #[cfg_attr(
            target_vendor = "apple",
            unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs")
        )]
        #[cfg_attr(
            any(target_os = "illumos", target_os = "solaris"),
            unsafe(link_section = ".init_array")
        )]
        #[cfg_attr(
            not(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris")),
            unsafe(link_section = ".init_array.00000")
        )]
        static AT_START: extern "C" fn() = $function;
    };
}

/// Has a function called when the program exits or the library is unloaded.
macro_rules! at_exit {
    ($function:path) => {
        #[used]
        #[cfg_attr(
            target_vendor = "apple",
            unsafe(link_section = "__DATA,__mod_term_func,mod_term_funcs")
        )]
        #[cfg_attr(
            any(target_os = "illumos", target_os = "solaris"),
            unsafe(link_section = ".fini_array")
        )]
        // The lowest number makes it run after the destructors of a statically linked program.
        #[cfg_attr(
            not(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris")),
            unsafe(link_section = ".fini_array.00000")
        )]
        static AT_EXIT: extern "C" fn() = $function;
    };
}

pub(crate) use {at_exit, at_start};
