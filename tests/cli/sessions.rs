//! Sessions: vectors of items and users, what is recommended, and how good that is.

use std::fmt::Write;

use crate::common::Place;

/// Settings that learn small sessions quickly, and give the same model each time.
const SMALL: &str = "--dim 16 --epochs 8 --lr 0.05 --negative 5 --threads 1 --quiet";

/// A place with `s.tsv`: 200 sessions of users, who go through one of two circles of six items from
/// any of them, `a0 a1 a2...` or `b0 b1 b2...`; and the same as events in `e.csv`, out of order.
fn place() -> Place {
    let (mut lines, mut events) = (String::new(), Vec::new());
    for session in 0..200 {
        let circle = if session % 2 == 0 { 'a' } else { 'b' };
        let items: Vec<String> =
            (0..6).map(|step| format!("{circle}{}", (session / 2 + step) % 6)).collect();
        let user = format!("{circle}user{}", session % 20);
        writeln!(lines, "{user}\t{}", items.join(" ")).unwrap();
        // Sessions of a user are a day apart, and an event comes a minute after the one before it.
        for (step, item) in items.iter().enumerate() {
            events.push(format!("{item},{user},{}\n", 86_400 * session + 60 * step));
        }
    }
    let half = events.len() / 2;
    events.rotate_left(half);
    let place = Place::new();
    place.write("s.tsv", lines);
    place.write("e.csv", "item,user,time\n".to_string() + &events.concat());
    place
}

/// The items that are recommended.
fn items(place: &Place, line: &str) -> Vec<String> {
    let answer = place.run(&format!("recommend {line} --json")).json();
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["item"].as_str().unwrap().to_string()).collect()
}

#[test]
fn what_comes_next_is_recommended() {
    let place = place();
    place.run(&format!("train item2vec s.tsv -o m.safetensors {SMALL} --window 1")).good();
    let next = items(&place, "m.safetensors --session a0,a1,a2 -k 2");
    assert!(next.iter().all(|item| ["a1", "a3"].contains(&&**item)), "{next:?}");
    let unseen = items(&place, "m.safetensors --session a0,a1,a2 -k 1 --exclude-seen");
    assert_eq!(unseen, ["a3"]);
    place.write("stock", "b1\na3\nbox\n");
    let run = place.run("recommend m.safetensors --session a2 --among stock --json").good();
    assert!(run.err.contains("stock: 1 item is unknown to the model, the first is box"));
    assert_eq!(items(&place, "m.safetensors --session a2 --among stock"), ["a3", "b1"]);
    // A user without a vector is known by the last session.
    let by_user = items(&place, "m.safetensors --user buser1 -k 3");
    assert!(by_user.iter().all(|item| item.starts_with('b')), "{by_user:?}");
    let none_left = items(&place, "m.safetensors --user buser1 --exclude-seen");
    assert!(none_left.iter().all(|item| item.starts_with('a')), "{none_left:?}");
    place.fails(
        "recommend m.safetensors --user nobody",
        &["no user 'nobody' in the sessions that m.safetensors learnt"],
    );

    // A session a line.
    let run = place.ask("recommend m.safetensors -k 1 --exclude-seen", "a0 a1\nb3\tbox\nbox\n");
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(
        lines[0].starts_with("a0 a1\ta2\t") || lines[0].starts_with("a0 a1\ta5\t"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("b3 box\tb"), "{lines:?}");
    assert_eq!(lines.len(), 2);
    assert!(run.err.contains("line 2: 'box' is unknown, and left out"), "{}", run.err);
    assert!(run.err.contains("line 3: unknown word 'box'"), "{}", run.err);
}

#[test]
fn events_are_the_same_as_sessions() {
    let place = place();
    place.run(&format!("train item2vec s.tsv -o lines.safetensors {SMALL}")).good();
    let columns = "--item item --user user --time time --gap 30m";
    place.run(&format!("train item2vec e.csv -o events.safetensors {SMALL} {columns}")).good();
    let facts = |model: &str| {
        let info = place.run(&format!("info {model} --json")).json();
        let corpus = &info["provenance"]["corpus"];
        (corpus["tokens"].clone(), corpus["sentences"].clone(), corpus["vocabulary"].clone())
    };
    assert_eq!(facts("lines.safetensors"), (1200.into(), 200.into(), 12.into()));
    assert_eq!(facts("events.safetensors"), facts("lines.safetensors"));
    let info = place.run("info events.safetensors").good();
    assert!(info.out.contains("e.csv (item item, user user, time time, gap 30m)"), "{}", info.out);
    // Without a gap, all that a user took is one session.
    let columns = "--item item --user user --time time";
    place.run(&format!("train item2vec e.csv -o users.safetensors {SMALL} {columns}")).good();
    assert_eq!(facts("users.safetensors").1, 20);
    // The same again, by the model's history.
    place.run("train --recipe events.safetensors -o again.safetensors --quiet").good();
    assert_eq!(place.vectors("again.safetensors"), place.vectors("events.safetensors"));
}

#[test]
fn users_have_vectors_of_their_own() {
    let place = place();
    place.run(&format!("train item2vec s.tsv -o m.safetensors {SMALL} --users")).good();
    let answer = place.run("similar m.safetensors --tag auser0 -k 9 --json").json();
    let near = answer["neighbours"].as_array().unwrap();
    assert!(
        near.iter().all(|near| near["word"].as_str().unwrap().starts_with("auser")),
        "{near:?}"
    );
    let next = items(&place, "m.safetensors --user auser0 -k 4");
    assert!(next.iter().all(|item| item.starts_with('a')), "{next:?}");
}

#[test]
fn held_out_items_tell_how_good_a_model_is() {
    let place = place();
    place
        .run(&format!("train item2vec s.tsv -o m.safetensors {SMALL} --hold-out 1 --window 1"))
        .good();
    let report = place.run("eval m.safetensors --next s.tsv -k 2 --json").json();
    assert_eq!((&report["sessions"], &report["hold_out"]), (&200.into(), &1.into()));
    let names: Vec<&str> =
        report["methods"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    let baselines = [
        "m.safetensors",
        "popularity",
        "next item counts",
        "co-occurrence",
        "co-occurrence within 5",
        "item kNN",
    ];
    assert_eq!(names, baselines);
    let rate = |at: usize| report["methods"][at]["hit_rate"]["score"].as_f64().unwrap();
    assert!(rate(0) > 0.9 && rate(2) > 0.99 && rate(1) < 0.5, "{report}");
    let better = &report["methods"][0]["better"][0];
    assert!(better["than"] == "popularity" && better["p"].as_f64().unwrap() < 0.01, "{better}");

    let run = place.run("eval m.safetensors --next s.tsv -k 2").good();
    assert!(run.out.contains("m.safetensors is better than popularity"), "{}", run.out);
    assert!(!run.err.contains("may have learnt"), "{}", run.err);
    place.run(&format!("train item2vec s.tsv -o all.safetensors {SMALL}")).good();
    let run = place.run("eval all.safetensors --next s.tsv").good();
    assert!(run.err.contains("all.safetensors may have learnt the answers"), "{}", run.err);
    place.fails("eval m.safetensors all.safetensors --next s.tsv", &["held out different items"]);

    // By time: the last tenth of the sessions is not learnt at all.
    let columns = "--item item --user user --time time --gap 30m";
    let before = "--before 1970-06-30";
    place
        .run(&format!("train item2vec e.csv -o early.safetensors {SMALL} {columns} {before}"))
        .good();
    let report = place.run("eval early.safetensors --next e.csv -k 2 --json").json();
    assert_eq!(
        (&report["sessions"], &report["after"]),
        (&20.into(), &"1970-06-30T00:00:00Z".into())
    );
    place.fails("eval early.safetensors --next e.csv --item item --user user", &["no times"]);
}

#[test]
fn settings_are_looked_for_and_written_as_a_recipe() {
    let place = place();
    let settings = "--dim 8 --epochs 2 --window 1 --threads 1";
    let line =
        format!("tune item2vec s.tsv --trials 4 --hold-out 1 -k 2 --json -o best.json {settings}");
    let report = place.run(&line).json();
    let trials = report["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 4);
    // Those that were trained again are the best on average, and all others have one seed.
    let seeds: Vec<u64> = trials.iter().map(|trial| trial["seeds"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [3, 3, 3, 1]);
    let gain = |at: usize| trials[at]["ndcg"].as_f64().unwrap();
    assert!(gain(0) >= gain(1) && gain(1) >= gain(2), "{report}");
    assert!(trials.iter().any(|trial| trial["settings"]["epochs"] == 2));
    place.run("train --recipe best.json -o best.safetensors --quiet").good();
    let info = place.run("info best.safetensors --json").json();
    for name in ["window", "epochs", "noise_exponent", "subsample", "negative", "dim"] {
        assert_eq!(info["provenance"]["settings"][name], trials[0]["settings"][name], "{name}");
    }
    assert_eq!(info["provenance"]["text"]["sessions"]["hold_out"], 1);
    let run = place.run("tune item2vec s.tsv --trials 1 --dim 8 --epochs 2").good();
    assert!(run.out.contains("1 setting was tried"), "{}", run.out);
    assert!(
        run.out.contains("next: wordloom train item2vec s.tsv -o items.safetensors --window 3")
    );
}

#[test]
fn what_teaches_nothing_is_said() {
    let place = Place::new();
    place.write("s.txt", "a b\nc\nd\na c\n");
    let run = place.run("train item2vec s.txt -o m.safetensors --dim 4 --quiet --threads 1").good();
    assert!(run.err.contains("sessions of one item, which teach nothing: 2, the first of c"));
    let info = place.run("info m.safetensors --json").json();
    assert_eq!(info["provenance"]["corpus"]["vocabulary"], 3, "d has no vector");
    for (text, problem) in [
        ("a\nb\n", "s.txt: no session has two items: if a line is an event and no session"),
        (" \n", "s.txt: no item in these sessions"),
    ] {
        place.write("s.txt", text);
        place.fails("train item2vec s.txt -o no.safetensors --quiet", &[problem]);
    }
    place.run("eval m.safetensors --next s.txt").breaks_off(&["no item in these sessions"]);
}
