//! Attach against remove.

use models::removal::{
    Without, attach_against_prune, leave_against_attach, publish_against_delete,
    two_attach_against_prune, two_leave,
};

#[test]
fn a_segment_that_was_attached_is_not_pruned() {
    attach_against_prune(Without::Nothing);
    two_attach_against_prune(Without::Nothing);
}

#[test]
fn the_last_of_two_who_leave_removes_the_segment() {
    two_leave(Without::Nothing);
}

#[test]
fn a_segment_that_is_attached_while_another_leaves_is_removed_by_the_last() {
    leave_against_attach(Without::Nothing);
}

#[test]
#[should_panic(expected = "one of the two")]
fn a_missing_fence_of_the_attacher_is_noticed() {
    attach_against_prune(Without::FenceOfAttach);
}

#[test]
#[should_panic(expected = "one of the two")]
fn a_missing_fence_of_the_remover_is_noticed() {
    attach_against_prune(Without::FenceOfRemove);
}

#[test]
#[should_panic(expected = "one of the two")]
fn a_missing_look_after_the_attach_is_noticed() {
    attach_against_prune(Without::LookAfterAttach);
}

#[test]
#[should_panic(expected = "one of the two")]
fn a_missing_mark_of_the_remover_is_noticed() {
    attach_against_prune(Without::Mark);
}

#[test]
#[should_panic(expected = "nobody has it, and it is left")]
fn a_count_before_the_detach_alone_is_noticed() {
    two_leave(Without::CountAfterDetach);
}

#[test]
fn a_hidden_segment_is_published_or_deleted() {
    publish_against_delete(Without::Nothing);
}

#[test]
#[should_panic(expected = "the creator was sure of its segment")]
fn the_mark_of_an_abandoned_segment_is_necessary() {
    publish_against_delete(Without::Mark);
}

#[test]
#[should_panic(expected = "the creator was sure of its segment")]
fn the_fence_of_who_deletes_an_abandoned_segment_is_necessary() {
    publish_against_delete(Without::FenceOfRemove);
}

#[test]
#[should_panic(expected = "the creator was sure of its segment")]
fn the_fence_of_who_attaches_a_hidden_segment_is_necessary() {
    publish_against_delete(Without::FenceOfAttach);
}

#[test]
#[should_panic(expected = "the creator was sure of its segment")]
fn the_look_at_a_hidden_slot_is_necessary() {
    publish_against_delete(Without::LookAfterAttach);
}
