//! What is mapped at an address of this process. See proc(5).

use std::ffi::c_int;
use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::ptr;

use super::selected::{Uncancelled, ioctl_number, read_lines};

/// `ioctl` on /proc/self/maps since Linux 6.11, see `linux/fs.h`.
const PROCMAP_QUERY: u32 = 0xc068_6611;

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
        unsafe {
            libc::ioctl(
                maps.as_raw_fd(),
                ioctl_number(PROCMAP_QUERY),
                ptr::from_mut(self),
            )
        }
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
    File {
        inode: u64,
        /// Where this mapping ends; another one of the same file may follow.
        end: usize,
    },
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
    let piece = Piece {
        range: query.start.try_into().ok()?..query.end.try_into().ok()?,
        offset: query.offset,
        inode: query.inode,
    };
    Some(piece.as_beginning_at(address))
}

/// The same from the table of mappings.
fn search_beginning(address: usize) -> Option<Beginning> {
    let mut answer = None;
    for_each_piece(&(address..address.saturating_add(1)), |piece| {
        answer = Some(piece.as_beginning_at(address));
    })?;
    Some(answer.unwrap_or(Beginning::Nothing))
}

/// A mapping of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) range: Range<usize>,
    /// Where it begins in its file, in bytes.
    pub(crate) offset: u64,
    /// The inode number of its file.
    pub(crate) inode: u64,
}

impl Piece {
    const fn as_beginning_at(&self, address: usize) -> Beginning {
        if self.range.start == address && self.offset == 0 {
            Beginning::File {
                inode: self.inode,
                end: self.range.end,
            }
        } else {
            Beginning::Nothing
        }
    }

    /// From a line of the table of mappings.
    fn of_line(line: &[u8]) -> Option<Self> {
        let text = line.split(|&byte| byte == b'/').next()?;
        let mut fields = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let address = |digits| usize::from_str_radix(digits, 16).ok();
        let range = address(start)?..address(end)?;
        let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Self {
            range,
            offset,
            inode,
        })
    }
}

/// Passes the mappings that overlap a range of addresses. `None` if the system does not report
/// them.
pub(crate) fn for_each_piece(range: &Range<usize>, mut use_piece: impl FnMut(Piece)) -> Option<()> {
    let overlaps = |piece: &Piece| piece.range.start < range.end && piece.range.end > range.start;
    read_lines(c"/proc/self/maps", |line| {
        if let Some(piece) = Piece::of_line(line).filter(overlaps) {
            use_piece(piece);
        }
        true
    })
    .ok()
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
        let line = b"b7001000-b7002000 rw-s 00000000 00:01 32769                      \
                     /SYSVc0000abc (deleted)";
        let ask = |address, key, id| judge(line, address, &name_of(key), id);
        assert_eq!(ask(0xb700_1000, 0xc000_0abc, 32769), Some(true));
        assert_eq!(ask(0xb700_2000, 0xc000_0abc, 32769), None);
        assert_eq!(ask(0xb700_1000, 0xc000_0abd, 32769), Some(false));
        assert_eq!(ask(0xb700_1000, 0xc000_0abc, 32770), Some(false));
    }

    #[test]
    fn a_line_tells_which_file_is_there() {
        let line = b"b7001000-b7003000 rw-s 00001000 fd:01 77                         /x y";
        let piece = Piece::of_line(line).unwrap();
        let expected = Piece {
            range: 0xb700_1000..0xb700_3000,
            offset: 0x1000,
            inode: 77,
        };
        assert_eq!(piece, expected);
        let at = 0xb700_1000;
        assert_eq!(piece.as_beginning_at(at), Beginning::Nothing);
        let (inode, end) = (77, 0xb700_3000);
        let whole = Piece { offset: 0, ..piece };
        assert_eq!(whole.as_beginning_at(at), Beginning::File { inode, end });
        assert_eq!(whole.as_beginning_at(at + 0x1000), Beginning::Nothing);
        assert_eq!(beginning_at(16), Some(Beginning::Nothing));
        assert_eq!(search_beginning(16), Some(Beginning::Nothing));
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
