//! What large saves and loads do to every byte, and to pages nobody touched.

use super::*;
use ascending::{Part, Zeros};
use block::{BLOCK, LARGE};
use large::Allocation;
use memory::Residency;
use pair::PIECE;
use proptest::prelude::*;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::os::Mappings;
use zeros::Access;

/// Zeroed pages that are shared, like those of a segment.
struct Pages {
    start: NonNull<AtomicU8>,
    size: usize,
}

impl Pages {
    fn new(size: usize) -> Self {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), size, access, kind, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        let start = NonNull::new(start.cast()).unwrap();
        Self { start, size }
    }

    fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the pages are mapped until `drop`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.size) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: nothing borrows the pages any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}

fn file() -> File {
    tempfile::tempfile().unwrap()
}

fn set(pages: &Pages, start: usize, bytes: &[u8]) {
    let to = pages.bytes()[start..][..bytes.len()].as_ptr().cast_mut();
    // SAFETY: the pages are this test's own, and `to` has room for the bytes. One by one,
    // unoptimised code would take minutes.
    unsafe { to.cast::<u8>().copy_from(bytes.as_ptr(), bytes.len()) };
}

fn bytes_of(pages: &Pages) -> Vec<u8> {
    let bytes = pages.bytes();
    // SAFETY: the pages are this test's own, and nothing writes to them now.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<u8>(), bytes.len()) }.to_vec()
}

fn content_of(file: &File) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

/// Not with `assert_eq`, which would print megabytes.
fn assert_same(found: &[u8], wanted: &[u8]) {
    assert_eq!(found.len(), wanted.len());
    if found == wanted {
        return;
    }
    let difference = found.iter().zip(wanted).position(|(f, w)| f != w);
    assert_eq!(difference, None, "the first byte that differs");
}

/// How many blocks have pages in memory.
fn touched(pages: &Pages) -> usize {
    let blocks = pages.bytes().chunks(BLOCK);
    blocks
        .filter(|block| memory::residency(block) != Residency::None)
        .count()
}

/// How many pages are in memory.
fn touched_pages(pages: &Pages) -> usize {
    pages
        .bytes()
        .chunks(page_size())
        .filter(|page| memory::residency(page) != Residency::None)
        .count()
}

/// The pages as memory of which that many pages are in swap space.
fn with_swapped<T>(pages: &Pages, swapped: Option<u64>, work: impl FnOnce(Memory<'_>) -> T) -> T {
    work(Memory {
        file: &|| None,
        check_whole: &|| Ok(()),
        bytes: pages.bytes(),
        swapped: &|| swapped,
    })
}

fn save_large(pages: &Pages, file: &File) -> std::result::Result<(), Errno> {
    with_swapped(pages, Some(0), |memory| {
        large::write(file, Touched::new(memory), Allocation::Before)
    })
}

fn save_and_read(pages: &Pages) -> Vec<u8> {
    let file = file();
    save_large(pages, &file).unwrap();
    content_of(&file)
}

/// Bytes of which no two neighbouring blocks are equal, and none is 0.
fn dense(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (number, eight) in bytes.chunks_mut(8).enumerate() {
        let block = number * 8 / BLOCK;
        eight.fill(u8::try_from((number + block) % 255 + 1).unwrap());
    }
    bytes
}

/// A size next to one where something changes.
fn size() -> impl Strategy<Value = usize> {
    let border = prop_oneof![
        Just(LARGE),
        (32_usize..64).prop_map(|blocks| blocks * BLOCK),
        (2_usize..6).prop_map(|pieces| pieces * PIECE),
    ];
    let offset = prop_oneof![
        Just(0_isize),
        -9..10_isize,
        -4100..4100_isize,
        -70_000..70_000_isize
    ];
    (border, offset).prop_map(|(border, offset)| border.saturating_add_signed(offset))
}

/// What a block is made of: zeros, bytes, or zeros but for one byte.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Zero,
    Dense,
    Only(usize),
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let kind = prop_oneof![
        4 => Just(Kind::Zero),
        2 => Just(Kind::Dense),
        1 => Just(Kind::Only(0)),
        1 => Just(Kind::Only(BLOCK - 1)),
        1 => (0..BLOCK).prop_map(Kind::Only),
    ];
    proptest::collection::vec(kind, 100)
}

fn content(size: usize, kinds: &[Kind]) -> Vec<u8> {
    let mut content = dense(size);
    for (block, kind) in content.chunks_mut(BLOCK).zip(kinds.iter().cycle()) {
        let kept = match kind {
            Kind::Dense => continue,
            Kind::Zero => None,
            Kind::Only(at) => block.get(*at).map(|byte| (*at, *byte)),
        };
        block.fill(0);
        if let Some((at, byte)) = kept {
            block[at] = byte;
        }
    }
    content
}

/// Only blocks that have bytes are written.
fn sparse_file(content: &[u8]) -> File {
    let file = file();
    file.set_len(content.len().try_into().unwrap()).unwrap();
    for (number, block) in content.chunks(BLOCK).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, (number * BLOCK).try_into().unwrap())
                .unwrap();
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_save_has_every_byte(
        size in size(),
        kinds in kinds(),
        dirty: bool,
        before: bool,
        unprivileged: bool,
        swapped in 0..2_u64,
    ) {
        let pages = Pages::new(size);
        let content = content(size, &kinds);
        if dirty {
            set(&pages, 0, &vec![7; size]);
            set(&pages, 0, &content);
        } else {
            for (number, block) in content.chunks(BLOCK).enumerate() {
                if block.iter().any(|byte| *byte != 0) {
                    set(&pages, number * BLOCK, block);
                }
            }
        }
        let file = file();
        with_swapped(&pages, Some(swapped), |memory| {
            let touched = if unprivileged { Touched::unprivileged(memory) } else { Touched::new(memory) };
            let allocation = if before { Allocation::Before } else { Allocation::Delayed };
            large::write(&file, touched, allocation)
        })
        .unwrap();
        assert_same(&content_of(&file), &content);
        assert_same(&bytes_of(&pages), &content);
    }

    #[test]
    fn a_load_has_every_byte_of_the_file_and_changes_no_other(
        size in size(),
        room in size(),
        kinds in kinds(),
        sparse: bool,
        dirty: bool,
    ) {
        let content = content(size, &kinds);
        let file = if sparse {
            sparse_file(&content)
        } else {
            let file = file();
            file.write_all_at(&content, 0).unwrap();
            file
        };
        let pages = Pages::new(room);
        let mut wanted = vec![0; room];
        if dirty {
            wanted.fill(9);
            set(&pages, 0, &wanted);
        }
        let end = size.min(room);
        wanted[..end].copy_from_slice(&content[..end]);
        prop_assert_eq!(large::read(&file, size, pages.bytes()).unwrap(), end);
        assert_same(&bytes_of(&pages), &wanted);
    }

    #[test]
    fn a_file_that_has_shrunk_ends_where_it_ends(
        size in size(),
        kinds in kinds(),
        shrunk_by in 1..3_000_000_usize,
        sparse: bool,
    ) {
        let mut content = content(size, &kinds);
        let file = if sparse {
            sparse_file(&content)
        } else {
            let file = file();
            file.write_all_at(&content, 0).unwrap();
            file
        };
        let end = size.saturating_sub(shrunk_by);
        file.set_len(end.try_into().unwrap()).unwrap();
        let pages = Pages::new(size);
        set(&pages, 0, &vec![9; size]);
        prop_assert_eq!(large::read(&file, size, pages.bytes()).unwrap(), end);
        content[end..].fill(9);
        assert_same(&bytes_of(&pages), &content);
    }
}

#[test]
fn a_file_that_is_empty_by_now_has_no_zeros_either() {
    let pages = Pages::new(4 * LARGE);
    let file = file();
    assert_eq!(
        large::read(&file, 4 * LARGE, pages.bytes()).unwrap(),
        0,
        "untouched pages are not read into"
    );
}

#[test]
fn a_file_that_grows_is_read_as_far_as_it_was_looked_at() {
    let content = dense(LARGE + 4 * BLOCK);
    let file = sparse_file(&content);
    let pages = Pages::new(LARGE + 4 * BLOCK);
    let count = large::read(&file, LARGE + 5, pages.bytes()).unwrap();
    assert_eq!(count, LARGE + 5);
    let bytes = bytes_of(&pages);
    assert_same(&bytes[..count], &content[..count]);
    assert!(bytes[count..].iter().all(|byte| *byte == 0));
}

/// Reads a file of this content a hundred times, while somebody changes it
/// all the time, and has a look at how many bytes there were each time.
fn read_while(
    change: impl Fn() + Sync,
    file: &File,
    content: &[u8],
    look: impl Fn(usize),
) -> Pages {
    let pages = Pages::new(content.len());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                change();
            }
        });
        for _ in 0..100 {
            look(large::read(file, content.len(), pages.bytes()).unwrap());
        }
        over.store(true, Ordering::Relaxed);
    });
    pages
}

#[test]
fn a_file_that_is_cut_and_filled_meanwhile_is_no_crash() {
    let content = dense(4 * LARGE);
    let file = sparse_file(&content);
    let change = || {
        for size in [0, 5 * BLOCK + 1, LARGE, 4 * LARGE] {
            file.set_len(size.try_into().unwrap()).unwrap();
        }
        file.write_all_at(&content[..LARGE], 0).unwrap();
    };
    let pages = read_while(change, &file, &content, |count| {
        assert!(count <= content.len());
    });
    for (at, byte) in bytes_of(&pages).into_iter().enumerate() {
        assert!(byte == 0 || byte == content[at], "byte {at} is {byte}");
    }
}

#[test]
fn a_file_that_is_cut_meanwhile_ends_there() {
    let content = dense(4 * LARGE);
    for round in 0..60 {
        let file = sparse_file(&content);
        let pages = Pages::new(content.len());
        let count = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_micros(round * 50));
                file.set_len(LARGE as u64).unwrap();
            });
            large::read(&file, content.len(), pages.bytes()).unwrap()
        });
        assert!(count >= LARGE);
        assert_same(&bytes_of(&pages)[..count], &content[..count]);
    }
}

#[test]
fn bytes_that_were_cut_off_meanwhile_do_not_count() {
    let file = file();
    file.set_len(100).unwrap();
    assert_eq!(super::copy::still_there(&file, 0, 100), 100);
    assert_eq!(super::copy::still_there(&file, 0, 101), 100);
    assert_eq!(super::copy::still_there(&file, 60, 50), 40);
    assert_eq!(super::copy::still_there(&file, 101, 50), 0);
}

#[test]
fn zeros_take_no_place_in_the_file() {
    let pages = Pages::new(8 * LARGE);
    set(&pages, 0, &vec![0; 8 * LARGE]);
    set(&pages, 3 * LARGE, &[1]);
    let file = file();
    save_large(&pages, &file).unwrap();
    let metadata = file.metadata().unwrap();
    assert_eq!(metadata.len(), 8 * LARGE as u64);
    let most = 2 * BLOCK as u64;
    assert!(metadata.blocks() * 512 <= most, "{}", metadata.blocks());
}

#[test]
fn room_that_was_reserved_for_more_data_is_given_back() {
    let pages = Pages::new(12 * LARGE);
    set(&pages, 0, &vec![0; 12 * LARGE]);
    set(&pages, 0, &dense(7 * LARGE / 2));
    set(&pages, 8 * LARGE, &dense(LARGE));
    let file = file();
    save_large(&pages, &file).unwrap();
    assert_same(&content_of(&file), &bytes_of(&pages));
    let most = 9 * LARGE as u64 / 2 + 2 * BLOCK as u64;
    let blocks = file.metadata().unwrap().blocks();
    assert!(blocks * 512 <= most, "{blocks}");
}

#[test]
fn a_save_leaves_untouched_what_it_can_know_to_be() {
    let pages = Pages::new(8 * LARGE);
    set(&pages, 5 * BLOCK, &[1]);
    let before = touched(&pages);
    let mut files = fs::read_dir("/proc/self/map_files").unwrap();
    if File::open(files.next().unwrap().unwrap().path()).is_err() {
        // Only privileged processes are told.
        return;
    }
    let saved = save_and_read(&pages);
    assert_eq!(touched(&pages), before);
    assert_eq!(saved.iter().position(|byte| *byte != 0), Some(5 * BLOCK));
}

/// Saves pages of which one in 40 was touched, in two ways, as an ordinary user; returns
/// how many pages were touched before and after.
fn save_unprivileged(swapped: impl Fn() -> Option<u64>) -> (usize, usize) {
    let pages = Pages::new(4 * LARGE + 5);
    let mut content = vec![0; 4 * LARGE + 5];
    for at in (7 * page_size()..content.len()).step_by(40 * page_size()) {
        set(&pages, at, &[1]);
        content[at] = 1;
    }
    let before = touched_pages(&pages);
    let with_holes =
        |file: &File, touched: Touched<'_>| large::write(file, touched, Allocation::Delayed);
    let in_order = |file: &File, touched: Touched<'_>| {
        ascending::write(file, touched, copy::Interruption::Ignored)
    };
    for write in [with_holes, in_order] {
        let file = file();
        let memory = Memory {
            file: &|| None,
            check_whole: &|| Ok(()),
            bytes: pages.bytes(),
            swapped: &swapped,
        };
        write(&file, Touched::unprivileged(memory)).unwrap();
        assert_same(&content_of(&file), &content);
    }
    (before, touched_pages(&pages))
}

#[test]
fn a_save_by_an_ordinary_user_leaves_untouched_pages_untouched() {
    let (before, after) = save_unprivileged(|| Some(0));
    assert_eq!(before, after);
}

#[test]
fn pages_that_may_have_been_swapped_out_are_read() {
    for swapped in [None, Some(1)] {
        let (before, after) = save_unprivileged(|| swapped);
        assert!(after > 10 * before, "{before} pages, {after} afterwards");
    }
}

#[test]
fn pages_may_be_swapped_out_in_the_middle_of_a_save() {
    for calls in 1..6 {
        let seen = std::cell::Cell::new(0);
        save_unprivileged(|| {
            seen.set(seen.get() + 1);
            Some(u64::from(seen.get() > calls))
        });
        assert!(seen.get() > calls);
    }
}

/// mincore(2) shows only those that this process has touched.
#[test]
fn huge_pages_are_not_taken_for_untouched_ones() {
    const HUGE: usize = 2 << 20;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), HUGE, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return; // no huge page is free
    }
    let start = NonNull::new(start.cast()).unwrap();
    let pages = Pages { start, size: HUGE };
    assert!(!memory::shows_all_pages(pages.bytes(), 0));
    assert!(memory::shows_all_pages(Pages::new(HUGE).bytes(), 0));
}

/// A program stores data, then a flag at a lower address.
#[test]
fn what_was_stored_before_a_flag_is_saved_with_it() {
    for (is_touched, zeros) in [
        (true, Zeros::Blocks),
        (false, Zeros::Blocks),
        (false, Zeros::Untouched),
    ] {
        let pages = Pages::new(4 * LARGE);
        if is_touched {
            set(&pages, 0, &vec![0; 4 * LARGE]);
        }
        set(&pages, 0, &vec![1; 3 * BLOCK]);
        let (flag, data) = (5, 2 * LARGE + 5);
        let mut parts = Vec::new();
        with_swapped(&pages, Some(0), |memory| {
            ascending::for_each_part(Touched::new(memory), zeros, |part| {
                if parts.is_empty() {
                    set(&pages, data, &[7]);
                    set(&pages, flag, &[7]);
                }
                parts.push(part);
                Ok(())
            })
        })
        .unwrap();
        let holds = |part: &Part, at| matches!(part, Part::Data(range) if range.contains(&at));
        assert!(parts.iter().any(|part| holds(part, flag)));
        assert!(parts.iter().any(|part| holds(part, data)), "{parts:?}");
    }
}

#[test]
fn all_parts_are_passed_on_in_ascending_order() {
    let pages = Pages::new(3 * LARGE + 77);
    for at in [0, 3 * page_size(), BLOCK + 5, LARGE, LARGE + 20 * BLOCK] {
        set(&pages, at, &[1]);
    }
    set(&pages, 2 * LARGE, &vec![3; LARGE / 2]);
    for zeros in [Zeros::Blocks, Zeros::Untouched] {
        let mut end = 0;
        with_swapped(&pages, Some(0), |memory| {
            ascending::for_each_part(Touched::new(memory), zeros, |part| {
                let (Part::Data(range) | Part::Zeros(range)) = part;
                assert_eq!(range.start, end);
                assert!(range.end > end);
                end = range.end;
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(end, 3 * LARGE + 77);
    }
}

#[test]
fn a_load_of_holes_leaves_untouched_what_is() {
    let mut content = vec![0; 8 * LARGE];
    content[LARGE + 5] = 1;
    let pages = Pages::new(content.len());
    set(&pages, 100 * BLOCK, &[9]);
    let count = large::read(&sparse_file(&content), content.len(), pages.bytes()).unwrap();
    assert_eq!(count, content.len());
    assert_eq!(touched(&pages), 2);
    assert_same(&bytes_of(&pages), &content);
}

#[test]
fn saves_and_loads_are_large_from_the_border_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saved");
    for size in [LARGE - 1, LARGE, LARGE + 1] {
        let pages = Pages::new(size);
        with_swapped(&pages, Some(0), |memory| save(memory, &path)).unwrap();
        let blocks = fs::metadata(&path).unwrap().blocks();
        assert_eq!(blocks == 0, size >= LARGE, "{size} bytes");
        let loaded = load(pages.bytes(), &path).unwrap();
        let size = u64::try_from(size).unwrap();
        assert_eq!(
            (loaded.bytes, loaded.file, loaded.segment),
            (size, size, size)
        );
    }
}

fn protect(pages: &Pages, start: usize, length: usize, access: libc::c_int) {
    let address = pages.bytes()[start..].as_ptr().cast_mut().cast();
    // SAFETY: the pages are this test's own, and it looks at none of them
    // while it may not.
    assert_eq!(unsafe { libc::mprotect(address, length, access) }, 0);
}

#[test]
fn a_load_into_memory_with_a_gap_changes_nothing() {
    let size = 2 * LARGE;
    let pages = Pages::new(size);
    let file = sparse_file(&dense(size));
    let end = pages.bytes()[size - BLOCK..].as_ptr().cast_mut().cast();
    // SAFETY: the pages are this test's own, and nobody looks at them again.
    assert_eq!(unsafe { libc::munmap(end, BLOCK) }, 0);
    let loaded = large::read(&file, size, pages.bytes());
    assert_eq!(loaded.unwrap_err(), Errno(libc::EFAULT));
    let rest = &pages.bytes()[..size - BLOCK];
    assert!(rest.iter().all(|byte| byte.load(Ordering::Relaxed) == 0));
}

#[test]
fn memory_that_may_not_be_used_is_an_error() {
    let size = 4 * LARGE;
    let pages = Pages::new(size);
    let fault = Errno(libc::EFAULT);
    let all = libc::PROT_READ | libc::PROT_WRITE;
    let whole_file = file();
    whole_file.write_all_at(&dense(size), 0).unwrap();
    let zeros = file();
    zeros.set_len(size.try_into().unwrap()).unwrap();
    let page = page_size();
    for (start, length) in [(0, size), (0, BLOCK), (LARGE, BLOCK), (LARGE + page, page)] {
        for content in [5, 0] {
            set(&pages, 0, &vec![content; size]);
            protect(&pages, start, length, libc::PROT_NONE);
            let saved = save_large(&pages, &file());
            assert_eq!(saved.unwrap_err(), fault, "nothing may be read at {start}");
            protect(&pages, start, length, all);
        }
        protect(&pages, start, length, libc::PROT_NONE);
        let loaded = large::read(&whole_file, size, pages.bytes());
        assert_eq!(
            loaded.unwrap_err(),
            fault,
            "nothing may be written at {start}"
        );
        protect(&pages, start, length, libc::PROT_READ);
        for file in [&whole_file, &zeros] {
            let loaded = large::read(file, size, pages.bytes());
            assert_eq!(loaded.unwrap_err(), fault, "only reading at {start}");
        }
        protect(&pages, start, length, all);
    }
}

#[test]
fn guard_pages_are_an_error() {
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    let pages = Pages::new(2 * LARGE);
    set(&pages, 0, &vec![0; 2 * LARGE]);
    let guard = pages.bytes()[LARGE + 4 * page_size()..][..page_size()].as_ptr();
    let guard = guard.cast_mut().cast();
    // SAFETY: the pages are this test's own, and it does not look at that one again.
    if unsafe { libc::madvise(guard, page_size(), MADV_GUARD_INSTALL) } != 0 {
        return; // before Linux 6.15
    }
    let saved = save_large(&pages, &file());
    assert_eq!(saved.unwrap_err(), Errno(libc::EFAULT));
}

#[test]
fn pages_are_read_unasked_where_all_are_there_and_one_mapping_has_them() {
    let pages = Pages::new(3 * BLOCK);
    set(&pages, 0, &vec![0; 3 * BLOCK - 2 * page_size()]);
    let bytes = pages.bytes();
    let finder = zeros::Finder::new();
    assert_eq!(finder.access_to(bytes), Access::Unknown, "pages are absent");
    set(
        &pages,
        3 * BLOCK - 2 * page_size(),
        &vec![0; 2 * page_size()],
    );
    let start = bytes.as_ptr().addr();
    let knows_mappings = Mappings::open().is_some_and(|it| it.around(start).is_some());
    let knows_pages = memory::PageTable::open().is_some_and(|it| it.has_all(bytes));
    // Before Linux 6.11, or without /proc, nothing is known.
    let known = if knows_mappings && knows_pages {
        Access::Known
    } else {
        Access::Unknown
    };
    assert_eq!(finder.access_to(bytes), known);
    assert_eq!(finder.access_to(&bytes[..3 * BLOCK - 77]), known);
    for access in [libc::PROT_NONE, libc::PROT_READ] {
        protect(&pages, BLOCK, page_size(), access);
        assert_eq!(finder.access_to(bytes), Access::Unknown);
        assert_eq!(finder.access_to(&bytes[..BLOCK]), known);
        let readable = match access {
            libc::PROT_READ => known,
            _ => Access::Unknown,
        };
        let page = &bytes[BLOCK..BLOCK + page_size()];
        assert_eq!(finder.access_to(page), readable);
    }
}

/// `lseek` answers 0 to everything there.
#[test]
fn where_a_file_does_not_tell_all_of_it_is_data() {
    let device = File::open("/dev/null").unwrap();
    for range in [0..LARGE, BLOCK..LARGE] {
        assert_eq!(runs::data_in(&device, &range, BLOCK), range);
    }
}

#[test]
fn a_hole_that_comes_meanwhile_is_gone_past() {
    use std::os::fd::AsRawFd as _;
    let content = dense(4 * LARGE);
    let file = sparse_file(&content);
    let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let (start, size) = (BLOCK.try_into().unwrap(), (3 * LARGE).try_into().unwrap());
    let change = || {
        // SAFETY: fallocate takes numbers only.
        unsafe { libc::fallocate(file.as_raw_fd(), hole, start, size) };
        file.write_all_at(&content[BLOCK..LARGE], BLOCK as u64)
            .unwrap();
    };
    read_while(change, &file, &content, |count| {
        assert_eq!(count, content.len());
    });
}

#[test]
fn of_a_file_that_was_read_in_part_there_is_the_rest() {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    let mut file = file();
    file.write_all_at(&dense(100), 0).unwrap();
    file.read_exact(&mut [0; 30]).unwrap();
    let path = format!("/dev/fd/{}", file.as_raw_fd());
    for (size, bytes) in [(70, 70), (20, 20)] {
        let pages = Pages::new(size);
        let loaded = load(pages.bytes(), path.as_ref()).unwrap();
        assert_eq!((loaded.bytes, loaded.file), (bytes, 70), "{size} bytes");
        assert_eq!(bytes_of(&pages), dense(100)[30..30 + size]);
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(30)).unwrap();
    }
}
