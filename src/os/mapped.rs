//! What is mapped at an address of this process. See proc(5).

use std::ffi::{c_int, c_ulong};
use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::ptr;

use super::linux::{Uncancelled, read_lines};

/// `ioctl` on /proc/self/maps since Linux 6.11, see `linux/fs.h`.
const PROCMAP_QUERY: c_ulong = 0xc068_6611;

/// `struct procmap_query`
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    vma_flags: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    major: u32,
    minor: u32,
    name_size: u32,
    build_id_size: u32,
    name: u64,
    build_id: u64,
}

const _: () = assert!(size_of::<Query>() == 104);

/// The process's mappings.
#[derive(Debug)]
pub(crate) struct Mappings(File);

impl Mappings {
    /// `None` if /proc is not mounted.
    pub(crate) fn open() -> Option<Self> {
        File::open("/proc/self/maps").ok().map(Self)
    }

    /// The addresses of the mapping that contains `address`, all of which allow the same access.
    /// `None` if nothing is mapped there, or on kernels before Linux 6.11.
    pub(crate) fn around(&self, address: usize) -> Option<Range<usize>> {
        let mut query = Query::about(address)?;
        if query.ask(&self.0) != 0 {
            return None;
        }
        Some(query.start.try_into().ok()?..query.end.try_into().ok()?)
    }
}

impl Query {
    /// A query that asks for no name.
    fn about(address: usize) -> Option<Self> {
        Some(Self {
            size: u64::try_from(size_of::<Self>()).ok()?,
            address: u64::try_from(address).ok()?,
            ..Self::default()
        })
    }

    /// Performs the query. Returns 0, or -1 with `errno` set.
    fn ask(&mut self, maps: &File) -> c_int {
        // SAFETY: the kernel reads and writes the query, and writes at most `name_size`
        // bytes to `name`, where the caller has that much room.
        unsafe { libc::ioctl(maps.as_raw_fd(), PROCMAP_QUERY, ptr::from_mut(self)) }
    }
}

/// The start of the name that the kernel gives to a segment.
type Name = [u8; 13];

fn name_of(key: u32) -> Name {
    let mut name = [0; 13];
    // It always fits.
    let _ = write!(name.as_mut_slice(), "/SYSV{key:08x}");
    name
}

/// Whether the start of the segment that was created with this key, and has this
/// identifier, is attached at an address. `None` if the system does not report it.
pub(crate) fn is_segment_at(address: usize, key: u32, id: i32) -> Option<bool> {
    let _uncancelled = Uncancelled::new();
    let maps = File::open("/proc/self/maps").ok()?;
    let name = name_of(key);
    query(&maps, address, &name, id).or_else(|| search(address, &name, id))
}

/// What begins at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Nothing, or not the start of a file.
    Nothing,
    /// The start of the file with this inode number. Memory that processes share has one, too.
    Inode(u64),
}

/// What begins at an address. `None` if the system does not report it.
pub(crate) fn beginning_at(address: usize) -> Option<Beginning> {
    let _uncancelled = Uncancelled::new();
    let maps = File::open("/proc/self/maps").ok()?;
    query_beginning(&maps, address).or_else(|| search_beginning(address))
}

/// Asks the kernel for this mapping only. `None` if the kernel can't do that.
fn query_beginning(maps: &File, address: usize) -> Option<Beginning> {
    let mut query = Query::about(address)?;
    if query.ask(maps) != 0 {
        return match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::ENOENT) => Some(Beginning::Nothing),
            _ => None,
        };
    }
    let begins = query.start == query.address && query.offset == 0;
    Some(Beginning::of(begins, query.inode))
}

/// The same from the table of mappings.
fn search_beginning(address: usize) -> Option<Beginning> {
    let mut answer = None;
    read_lines(c"/proc/self/maps", |line| {
        answer = beginning_in(line, address);
        answer.is_none()
    })
    .ok()?;
    Some(answer.unwrap_or(Beginning::Nothing))
}

impl Beginning {
    const fn of(begins: bool, inode: u64) -> Self {
        if begins {
            Self::Inode(inode)
        } else {
            Self::Nothing
        }
    }
}

/// What a line of the table describes; `None` if the line is about another address.
fn beginning_in(line: &[u8], address: usize) -> Option<Beginning> {
    let text = line.split(|&byte| byte == b'/').next()?;
    let mut fields = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    let (start, _) = fields.next()?.split_once('-')?;
    if usize::from_str_radix(start, 16) != Ok(address) {
        return None;
    }
    let offset = fields.nth(1)?;
    let inode = fields.nth(1)?;
    let begins = offset.bytes().all(|digit| digit == b'0');
    Some(Beginning::of(begins, inode.parse().ok()?))
}

/// Asks for the one mapping. `None` if the kernel can't.
fn query(maps: &File, address: usize, name: &Name, id: i32) -> Option<bool> {
    let mut text = [0_u8; 64];
    let mut query = Query {
        name_size: u32::try_from(text.len()).ok()?,
        name: u64::try_from(text.as_mut_ptr().expose_provenance()).ok()?,
        ..Query::about(address)?
    };
    if query.ask(maps) != 0 {
        return match std::io::Error::last_os_error().raw_os_error() {
            // Nothing is mapped there, or something with a longer name.
            Some(libc::ENOENT | libc::ENAMETOOLONG) => Some(false),
            _ => None,
        };
    }
    Some(
        query.start == query.address
            && query.offset == 0
            && u64::try_from(id) == Ok(query.inode)
            && text.starts_with(name.as_slice()),
    )
}

/// Looks for the address in the table of mappings.
fn search(address: usize, name: &Name, id: i32) -> Option<bool> {
    let mut answer = None;
    read_lines(c"/proc/self/maps", |line| {
        answer = judge(line, address, name, id);
        answer.is_none()
    })
    .ok()?;
    // Without a line about the address, nothing begins there.
    Some(answer.unwrap_or(false))
}

/// Whether a line of the table shows the segment; `None` if the line is about another address.
fn judge(line: &[u8], address: usize, name: &Name, id: i32) -> Option<bool> {
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (start, _) = fields.next()?.split_once('-')?;
    if usize::from_str_radix(start, 16) != Ok(address) {
        return None;
    }
    let offset = fields.nth(1)?;
    let inode = fields.nth(1)?;
    let path = fields.next().unwrap_or("");
    Some(
        offset.bytes().all(|digit| digit == b'0')
            && inode.parse() == Ok(id)
            && path.as_bytes().starts_with(name.as_slice()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_which_segment_is_there() {
        let line = b"7f0000001000-7f0000002000 rw-s 00000000 00:01 32769                      \
                     /SYSVc0000abc (deleted)";
        let ask = |address, key, id| judge(line, address, &name_of(key), id);
        assert_eq!(ask(0x7f00_0000_1000, 0xc000_0abc, 32769), Some(true));
        assert_eq!(ask(0x7f00_0000_2000, 0xc000_0abc, 32769), None);
        assert_eq!(ask(0x7f00_0000_1000, 0xc000_0abd, 32769), Some(false));
        assert_eq!(ask(0x7f00_0000_1000, 0xc000_0abc, 32770), Some(false));
    }

    #[test]
    fn a_line_tells_which_file_is_there() {
        let line = b"7f0000001000-7f0000002000 rw-s 00000000 fd:01 77                         /x y";
        assert_eq!(
            beginning_in(line, 0x7f00_0000_1000),
            Some(Beginning::Inode(77))
        );
        assert_eq!(beginning_in(line, 0x7f00_0000_2000), None);
        let middle = b"7f0000001000-7f0000002000 rw-s 00001000 fd:01 77 /x";
        assert_eq!(
            beginning_in(middle, 0x7f00_0000_1000),
            Some(Beginning::Nothing)
        );
        assert_eq!(beginning_at(16), Some(Beginning::Nothing));
    }

    #[test]
    fn what_is_no_segment_is_recognized_in_both_ways() {
        let here = Box::new(0_u64);
        let address = std::ptr::from_ref(&*here).addr() & !4095;
        let name = name_of(0xc000_0001);
        assert_eq!(is_segment_at(address, 0xc000_0001, 7), Some(false));
        assert_eq!(search(address, &name, 7), Some(false));
    }
}
