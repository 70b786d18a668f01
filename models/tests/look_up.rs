//! The look-up without the lock.

use models::look_up::{
    Step, create, create_another_after_ipcrm, nothing, remove_and_create_again,
    remove_and_create_another, take_over_and_remove,
};

#[test]
fn a_name_that_nobody_changes_is_found() {
    nothing(&[]);
}

#[test]
fn a_name_whose_slot_becomes_anothers_is_not_mistaken() {
    remove_and_create_another(&[]);
    create_another_after_ipcrm(&[]);
}

#[test]
fn a_name_that_is_created_again_leads_to_a_segment_that_stays() {
    remove_and_create_again(&[]);
    create(&[]);
}

#[test]
fn a_name_that_was_taken_over_is_not_found_in_the_old_registry() {
    take_over_and_remove(&[]);
}

#[test]
#[should_panic(expected = "removed while it is attached")]
fn a_missing_fence_of_the_reader_is_noticed() {
    remove_and_create_another(&[Step::FenceOfAttach]);
}

#[test]
#[should_panic(expected = "removed while it is attached")]
fn a_missing_last_look_of_the_reader_is_noticed() {
    remove_and_create_another(&[Step::LastLook]);
}

#[test]
#[should_panic(expected = "removed while it is attached")]
fn a_reader_who_does_not_look_whether_the_registry_is_current_is_noticed() {
    take_over_and_remove(&[Step::MagicNumber]);
}

#[test]
#[should_panic(expected = "removed while it is attached")]
fn a_missing_mark_of_the_remover_is_noticed() {
    remove_and_create_another(&[Step::Mark]);
}

#[test]
#[should_panic(expected = "removed while it is attached")]
fn a_missing_fence_of_the_remover_is_noticed() {
    remove_and_create_another(&[Step::FenceOfRemove]);
}

/// Any one of these three is enough: the check sum over the facts and the name, the
/// comparison of identifiers, or a fence of the creator, which the last look pairs with.
#[test]
fn one_proof_that_the_facts_belong_together_is_enough() {
    create_another_after_ipcrm(&[Step::SameId, Step::FenceOfCreate]);
    create_another_after_ipcrm(&[Step::CheckSum, Step::FenceOfCreate]);
    create_another_after_ipcrm(&[Step::CheckSum, Step::SameId]);
}

#[test]
#[should_panic(expected = "another name's segment")]
fn facts_that_are_not_proved_to_belong_together_are_noticed() {
    create_another_after_ipcrm(&[Step::CheckSum, Step::SameId, Step::FenceOfCreate]);
}
