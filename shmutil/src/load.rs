//! `load`: reads a segment's bytes from a file or a pipe.

#![forbid(unsafe_code)]

mod collected;
mod source;

use shm_util::Segment;

use crate::borrowed;
use crate::cli::Load;
use crate::failure::{Failure, Outcome, Result, say};
use crate::names;
use crate::namespace;
use crate::new_segment::Purpose;
use crate::transfer::to_u64;

use source::{Fit, Source};

/// `shmutil load`
pub(crate) fn load(arguments: &Load) -> Result<Outcome> {
    let name = &arguments.name;
    let source = Source::open(&arguments.file)?;
    let exists = match namespace::selected().info(&name.0) {
        Ok(_) => true,
        Err(error) if error.errno() == libc::ENOENT && arguments.create => false,
        Err(error) => {
            let failure = Failure::library(&error, Some(&name.0));
            return Err(if failure.is_no_such_name() {
                failure.or_else(", or create it with --create")
            } else {
                failure
            });
        }
    };
    let fit = if exists {
        let segment = borrowed::writable(name)?;
        check_size(&segment, arguments.size)?;
        source.load_existing(&segment)?
    } else {
        let purpose = Purpose {
            namespace: &namespace::selected(),
            name,
            mode: arguments.mode,
            keep: arguments.keep,
            failed: &|error| Failure::library(error, Some(&name.0)),
        };
        source.load_new(purpose, arguments.size)?
    };
    let (file, name) = (source.shown(), names::quote(&name.0));
    match fit {
        Fit::Exact => Ok(Outcome::Fine),
        Fit::FileIsShorter {
            file: size,
            segment,
        } => {
            say(&format!(
                "{file} has only {size} bytes; the other {} bytes of {name} are unchanged",
                segment.saturating_sub(size)
            ));
            Ok(Outcome::Attention)
        }
        Fit::FileIsLonger { segment } => {
            say(&format!(
                "{file} is longer than the {segment} bytes of {name}; the rest was not loaded: to \
                 load all of it, remove the segment, then load with --create"
            ));
            Ok(Outcome::Attention)
        }
    }
}

/// Checks that an existing segment has the size given by --size.
fn check_size(segment: &Segment, wanted: Option<u64>) -> Result<()> {
    let size = to_u64(segment.len());
    match wanted {
        Some(wanted) if wanted != size => Err(Failure::new(format!(
            "{} already exists with {size} bytes, not {wanted}; remove it first, or load without \
             --size",
            names::quote(segment.name())
        ))),
        _ => Ok(()),
    }
}
