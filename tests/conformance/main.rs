//! What every database must do that rows can go into: each case once, a line for every database.

#[path = "../harness/mod.rs"]
mod harness;

mod bench;
mod cases;

use bench::Bench;

/// Each case for each database. One that isn't installed is skipped, and says so.
macro_rules! every_database {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $case() { super::cases::$case(&super::Bench::sqlite()); })*
        }
        mod postgresql {
            $(#[test] fn $case() { super::Bench::postgresql().iter().for_each(super::cases::$case); })*
        }
    };
}

every_database!(
    a_first_file_makes_the_table_and_the_next_goes_into_it,
    a_columns_type_is_that_of_all_its_values,
    a_table_that_is_there_is_matched_by_name_and_by_type,
    the_same_bytes_are_a_duplicate_and_so_is_the_same_name_where_that_counts,
    two_processors_with_the_same_bytes_import_them_once,
    two_first_files_at_once_make_one_table,
    a_load_that_is_repeated_is_there_once,
    a_replayed_file_takes_the_place_of_its_rows,
    a_refused_replay_leaves_everything_as_it_was,
    a_replay_with_which_others_would_lose_rows_is_refused,
    rows_of_one_file_that_refer_to_each_other_give_way_and_those_of_others_do_not,
    a_forgotten_file_counts_no_longer_and_its_rows_stay,
    a_bad_file_in_a_batch_is_set_aside_alone,
    what_only_the_commit_finds_sets_aside_its_own_file,
    a_marker_comes_back_as_it_was_written_whatever_the_name,
    a_file_that_is_read_twice_is_imported_as_any_other,
    names_of_tables_and_columns_may_hold_anything,
    rows_are_counted_by_marker,
    rows_that_do_not_say_whose_they_are_are_not_counted,
    a_number_that_is_another_files_is_never_imported,
    rows_that_do_not_fit_are_left_out_and_kept_with_their_text,
    more_rows_that_do_not_fit_than_may_be_refuse_the_file_whole,
    rejects_of_a_file_that_is_read_twice_are_kept_in_bounded_memory,
    a_snapshot_takes_the_place_of_all_rows_unless_a_later_one_did,
    an_upsert_overwrites_by_key_and_a_later_file_wins,
    an_upsert_erases_what_an_object_lacks_and_another_has,
    rows_whose_keys_are_there_are_left_alone_where_they_are_only_added,
    a_key_needs_a_unique_index_on_exactly_its_columns,
    a_table_gets_the_columns_that_it_lacks_or_they_are_left_out,
);
