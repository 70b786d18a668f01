//! Sequences of calls, compared with a simple model of the contract.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use crate::capi::Handle;
use crate::fork::Call;
use crate::namespace::Namespace;
use crate::request::{Placement, Request, Wanted};
use crate::segment::Segment;

/// Makes the calls that the input encodes, and compares each result with that of a
/// simple model of the contract.
pub fn calls(data: &[u8]) {
    let mut model = Model::new();
    for step in data.chunks_exact(4) {
        model.step(step);
    }
}

const NAMES: [&[u8]; 4] = [b"", b"a", b"a/b", b"\xff\x80"];
const SIZES: [usize; 4] = [1, 4096, 5000, 70_000];

#[derive(Clone, Copy)]
struct Open {
    handle: Handle,
    name: usize,
}

/// The contract for one process: names, the bytes of their segments, and the handles.
struct Model {
    segments: BTreeMap<usize, (i32, Vec<u8>)>,
    open: Vec<Open>,
    destroyed: Vec<Handle>,
    saved: Option<Vec<u8>>,
    directory: tempfile::TempDir,
}

impl Model {
    fn new() -> Self {
        Self {
            segments: BTreeMap::new(),
            open: Vec::new(),
            destroyed: Vec::new(),
            saved: None,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn name(number: usize) -> Vec<u8> {
        let mut name = format!("fuzz {} ", std::process::id()).into_bytes();
        name.extend_from_slice(NAMES[number]);
        name
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join(OsStr::from_bytes(b"saved \xff"))
    }

    fn step(&mut self, step: &[u8]) {
        let (name, size) = (usize::from(step[1]) % 4, SIZES[usize::from(step[2]) % 4]);
        let chosen = (!self.open.is_empty()).then(|| usize::from(step[1]) % self.open.len());
        match (step[0] % 8, chosen) {
            (0, _) => self.create(name, Wanted::OfSize(NonZeroUsize::new(size).unwrap())),
            (1, _) => self.create(name, Wanted::Existing),
            (2, Some(chosen)) => self.destroy(chosen),
            (3, Some(chosen)) => self.write(chosen, step[2], step[3]),
            (4, Some(chosen)) => self.save(chosen),
            (5, Some(chosen)) => self.load(chosen),
            (6, _) => self.use_stale(usize::from(step[1])),
            _ => {}
        }
        self.check();
    }

    fn create(&mut self, name: usize, wanted: Wanted) {
        let result = Segment::attach(
            &Namespace::current(),
            &Self::name(name),
            &Request::usual(wanted, Placement::Anywhere),
        );
        let expected = match (self.segments.get(&name), wanted) {
            (None, Wanted::Existing) => Err(libc::ENOENT),
            (Some((_, bytes)), Wanted::OfSize(size)) if bytes.len() < size.get() => {
                Err(libc::EINVAL)
            }
            _ => Ok(()),
        };
        assert_eq!(
            result.as_ref().map(|_| ()).map_err(crate::Error::errno),
            expected
        );
        let Ok(segment) = result else { return };
        let new = |size: NonZeroUsize| (segment.id(), vec![0; size.get()]);
        if let Wanted::OfSize(size) = wanted {
            self.segments.entry(name).or_insert_with(|| new(size));
        }
        let handle = Handle::new(segment).unwrap();
        assert!(!self.destroyed.contains(&handle));
        self.open.push(Open { handle, name });
    }

    fn destroy(&mut self, chosen: usize) {
        let Open { handle, name } = self.open.swap_remove(chosen);
        handle.destroy().unwrap();
        self.destroyed.push(handle);
        if !self.open.iter().any(|open| open.name == name) {
            self.segments.remove(&name);
        }
    }

    fn write(&mut self, chosen: usize, place: u8, value: u8) {
        let Open { handle, name } = self.open[chosen];
        let (_, bytes) = self.segments.get_mut(&name).unwrap();
        let place = usize::from(place) * 251 % bytes.len();
        bytes[place] = value;
        let store = |segment: &Segment, _: &Call| {
            segment.bytes()[place].store(value, Ordering::Relaxed);
            Ok(())
        };
        handle.with(store).unwrap();
    }

    fn save(&mut self, chosen: usize) {
        let Open { handle, name } = self.open[chosen];
        handle
            .with(|segment, call| segment.save_within(call, &self.file()))
            .unwrap();
        self.saved = Some(self.segments[&name].1.clone());
        assert_eq!(std::fs::read(self.file()).ok(), self.saved);
    }

    fn load(&mut self, chosen: usize) {
        let Open { handle, name } = self.open[chosen];
        let result = handle.with(|segment, call| segment.load_within(call, &self.file()));
        let (_, bytes) = self.segments.get_mut(&name).unwrap();
        let Some(saved) = &self.saved else {
            assert_eq!(result.unwrap_err().errno(), libc::ENOENT);
            return;
        };
        assert_eq!(result.unwrap().sizes_differ(), saved.len() != bytes.len());
        let both = saved.len().min(bytes.len());
        bytes[..both].copy_from_slice(&saved[..both]);
    }

    fn use_stale(&self, number: usize) {
        if let Some(&handle) = self.destroyed.get(number) {
            assert_eq!(handle.id(), None);
            assert_eq!(handle.destroy().unwrap_err().errno(), libc::EINVAL);
        }
    }

    fn check(&self) {
        for &Open { handle, name } in &self.open {
            let (id, bytes) = &self.segments[&name];
            assert_eq!(handle.id(), Some(*id));
            assert_eq!(handle.size(), Some(bytes.len()));
            let same = |segment: &Segment, _: &Call| {
                let loaded = segment
                    .bytes()
                    .iter()
                    .map(|byte| byte.load(Ordering::Relaxed));
                Ok(loaded.eq(bytes.iter().copied()))
            };
            assert!(handle.with(same).unwrap());
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        for open in &self.open {
            let _ = open.handle.destroy();
        }
    }
}
