//! The handle table.

use models::handles;

#[test]
fn a_stale_handle_never_reads_the_next_ones_value() {
    handles::as_it_is::stale_handle();
}

#[test]
fn a_new_handle_is_complete() {
    handles::as_it_is::new_handle();
}

#[test]
fn a_destroy_waits_for_users() {
    handles::as_it_is::user();
}

#[test]
fn a_stale_handle_never_uses_the_next_ones_value() {
    handles::as_it_is::user_of_a_stale_handle();
}

#[test]
fn one_of_two_destroys_wins() {
    handles::as_it_is::two_destroys();
}

#[test]
fn a_destroy_that_is_given_up_leaves_the_handle_to_others() {
    handles::as_it_is::destroy_that_is_given_up();
}

#[test]
fn no_entry_is_used_twice() {
    handles::as_it_is::free_list();
}

#[test]
fn threads_get_entries_of_their_own_while_the_table_grows() {
    handles::as_it_is::growth();
}

/// With one line of the table changed, a model fails: it would notice if the line were
/// missing.
macro_rules! is_noticed {
    ($($name:ident: $change:ident, $model:ident, $expected:literal;)*) => {
        $(
            #[test]
            #[should_panic(expected = $expected)]
            fn $name() {
                handles::$change::$model();
            }
        )*
    };
}

is_noticed! {
    a_missing_fence_before_the_results: insert_without_fence, stale_handle, "the next handle's value";
    results_that_are_stored_after_the_handle: insert_without_release, new_handle, "a handle without its value";
    a_missing_second_look_at_the_handle: read_without_second_look, stale_handle, "the next handle's value";
    a_missing_fence_after_the_results: read_without_fence, stale_handle, "the next handle's value";
    a_user_who_does_not_look_again: enter_without_second_look, user, "Causality violation";
    users_that_are_counted_by_a_load: count_without_exchange, user, "Causality violation";
    two_destroys_of_which_one_is_given_up: destroy_without_exchange, destroy_that_is_given_up, "Causality violation";
    two_destroys_that_both_win: destroy_without_exchange, two_destroys, "Causality violation";
    an_entry_that_is_taken_and_freed_in_between: free_list_without_count, free_list, "an entry is used twice";
}
