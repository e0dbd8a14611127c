//! Results appear all together or not at all, once, and never over anything.

use super::*;
use crate::run::results::FSYNC_NODES_MAX;

// fault 79
#[test]
fn a_taken_name_is_numbered_and_never_overwritten() {
    let place = Place::new();
    for _ in 0..5 {
        place.commit(&place.produced("echo $$; date +%N > report.pdf; mkdir dir"));
    }
    let mut expected = Vec::new();
    for (stem, extension) in [("report", ".pdf"), ("dir", ""), ("a.txt", ".out")] {
        expected.push(OsString::from(format!("{stem}{extension}")));
        expected.extend((2..=5).map(|number| OsString::from(format!("{stem}~{number}{extension}"))));
    }
    expected.sort();
    assert_eq!(place.published(), expected);
}

#[test]
fn what_was_printed_does_not_collide_with_a_file_of_that_name() {
    let place = Place::new();
    place.commit(&place.produced("echo printed; echo left > a.txt.out"));
    assert_eq!(place.result("a.txt.out"), "left\n");
    assert_eq!(place.result("a.txt~2.out"), "printed\n");
}

#[test]
fn many_results_are_sealed_and_published_as_few_are() {
    let place = Place::new();
    let produced = place.produced("for i in $(seq 30); do echo $i > $i; done");
    assert!(produced.entries.len() > FSYNC_NODES_MAX);
    place.commit(&produced);
    assert_eq!(place.published().len(), 30);
    assert_eq!(place.result("17"), "17\n");
}

// faults 75 and 80
#[test]
fn a_publication_cut_short_anywhere_is_finished_by_the_next_one() {
    for moved in 0..=3 {
        let place = Place::new();
        let produced = place.produced("echo printed; echo b > b; echo c > c");
        results::seal(&[&produced]).unwrap();
        let publication = place.publication(&produced);
        for planned in &publication.plan[..moved] {
            let (from, to) = (place.staging().join(&planned.staged), place.path("results").join(&planned.published));
            fs::rename(from, to).unwrap();
        }
        let recorded: Vec<Planned> = serde_json::from_str(&serde_json::to_string(&publication.plan).unwrap()).unwrap();
        let mut recovered = Publication { staging: place.staging(), plan: recorded };
        place.publish(&mut recovered);
        assert_eq!(place.published(), ["a.txt.out", "b", "c"], "cut short after {moved}");
        assert_eq!(recovered, publication);
    }
}

#[test]
fn a_publication_may_be_repeated_even_when_its_results_were_fetched() {
    let place = Place::new();
    let mut publication = place.publication(&place.produced("echo b > b; echo c > c"));
    place.publish(&mut publication);
    fs::remove_file(place.path("results/b")).unwrap();
    place.publish(&mut publication);
    assert_eq!(place.published(), ["c"]);
}

#[test]
fn a_name_that_is_snatched_after_the_plan_is_left_alone() {
    let place = Place::new();
    let mut publication = place.publication(&place.produced("echo mine > b.txt; echo printed"));
    fs::write(place.path("results/b.txt"), "theirs\n").unwrap();
    fs::write(place.path("results/a.txt.out"), "theirs\n").unwrap();
    place.publish(&mut publication);
    assert_eq!(place.result("b.txt"), "theirs\n");
    assert_eq!(place.result("b~2.txt"), "mine\n");
    assert_eq!(place.result("a.txt~2.out"), "printed\n");
    let names: Vec<_> = publication.plan.iter().map(|planned| planned.published.clone()).collect();
    assert_eq!(names, ["b~2.txt", "a.txt~2.out"], "the caller is told");
}

#[test]
fn two_processors_that_want_one_name_get_two() {
    let place = Place::new();
    let first = place.produced("echo 1 > same");
    let plan = place.plan(&first);
    for of in ["", ".out", ".for"] {
        fs::rename(place.path(format!("active/1/.staging/7{of}")), place.path(format!("active/1/.staging/8{of}")))
            .unwrap();
    }
    let second = place.publication(&place.produced("echo 2 > same"));
    let mut batch = [Publication { staging: place.path("active/1/.staging/8"), plan }, second];
    results::publish(place.results().as_fd(), &mut batch).unwrap();
    assert_eq!(place.published(), ["same", "same~2"]);
    assert_eq!(place.result("same~2"), "2\n");
}

// fault 78
#[test]
fn results_on_another_filesystem_are_a_fault_that_says_so() {
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let place = Place::new();
    let mut publication = [place.publication(&place.produced("echo b > b"))];
    let results = File::open(elsewhere.path()).unwrap();
    let fault = results::publish(results.as_fd(), &mut publication).unwrap_err();
    assert!(matches!(&fault, Fault::World(reason) if reason.code == "other_filesystem"), "{fault:?}");
    assert!(place.staging().join("b").exists(), "nothing is lost");
    place.publish(&mut publication[0]);
    assert_eq!(place.result("b"), "b\n");
}

#[test]
fn without_noreplace_a_link_publishes_and_a_crash_in_between_doubles_nothing() {
    let place = Place::new();
    let publication = place.publication(&place.produced("echo b > b; mkdir d; echo e > d/e"));
    let staging = File::open(place.staging()).unwrap();
    let results = place.results();
    let (file, directory) = (&publication.plan[0], &publication.plan[1]);
    fs::write(place.path("results/b"), "theirs\n").unwrap();
    assert_eq!(file.move_by_link(staging.as_fd(), results.as_fd()), Err(rustix::io::Errno::EXIST));
    fs::remove_file(place.path("results/b")).unwrap();
    // The crash: linked, not yet unlinked.
    fs::hard_link(place.staging().join("b"), place.path("results/b")).unwrap();
    file.move_by_link(staging.as_fd(), results.as_fd()).unwrap();
    directory.move_by_link(staging.as_fd(), results.as_fd()).unwrap();
    assert_eq!(place.published(), ["b", "d"]);
    assert_eq!(place.result("d/e"), "e\n");
    assert!(fs::read_dir(place.staging()).unwrap().next().is_none());
}
