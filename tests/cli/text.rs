//! What the command reads: kinds of input, how words are told apart, and input that is refused.

use std::fs;

use crate::common::{Place, QUICK, bzip2, gzip, skip, topics, xz, zstd};

#[test]
fn a_text_is_the_same_however_it_comes() {
    let place = Place::with_text(2000);
    let text = place.read("text.txt");
    let half = text.len() / 2;
    let cut = half + text[half..].iter().position(|&b| b == b'\n').unwrap() + 1;
    let (first, second) = text.split_at(cut);
    place.write("first.txt", first);
    place.write("second.txt", second);
    fs::create_dir_all(place.path("folder/inner")).unwrap();
    place.write("folder/a", first);
    place.write("folder/inner/b", second);
    place.write("folder/.hidden", "left out, as its name begins with a point");
    place.write("text.gz", gzip(&text));
    place.write("two.gz", [gzip(first), gzip(second)].concat());
    place.write("text.zst", zstd(&text));
    place.write("two.zst", [zstd(first), zstd(second)].concat());
    place.write("text.bz2", bzip2(&text));
    place.write("two.bz2", [bzip2(first), bzip2(second)].concat());
    place.write("text.xz", xz(&text));
    place.write("two.xz", [xz(first), xz(second)].concat());
    place.write("misnamed.txt", gzip(&text));

    let (words, facts) = place.vocabulary("text.txt");
    assert_eq!(words.lines().count(), 40);
    let inputs = "first.txt second.txt|folder|text.gz|two.gz|text.zst|two.zst|text.bz2|two.bz2|text.xz|two.xz|misnamed.txt|folder/a second.txt";
    for inputs in inputs.split('|') {
        assert_eq!(place.vocabulary(inputs), (words.clone(), facts.clone()), "{inputs}");
    }
    for (how, bytes) in [("plain", text.clone()), ("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        let plan = place.ask("train skip-gram - --dry-run --json", bytes).json();
        assert_eq!(plan["corpus"], facts, "{how} on standard input");
    }
    let model = format!("-o m.safetensors -q {QUICK}");
    place.run(&format!("train cbow text.txt {model}")).good();
    let vectors = place.vectors("m.safetensors");
    place.ask(&format!("train cbow - {model}"), &text).good();
    assert_eq!(place.vectors("m.safetensors"), vectors);
}

#[test]
fn a_text_without_lines_keeps_all_its_words() {
    let place = Place::new();
    let words: Vec<String> = (0..400_000).map(|i| format!("word{}", i % 997)).collect();
    let text = words.join(" ");
    assert!(text.len() > 3_000_000);
    for (name, bytes) in [("one-line", text.clone().into_bytes()), ("one-line.gz", gzip(&text))] {
        place.write(name, bytes);
        place
            .run(&format!("train cbow {name} -q -o m.safetensors --dim 10 --epochs 1 --threads 2"))
            .good();
        let corpus = place.run("info m.safetensors --json").json()["provenance"]["corpus"].clone();
        assert_eq!(corpus["words_read"], words.len());
        assert_eq!(corpus["tokens"], words.len());
        assert_eq!(corpus["types_read"], 997);
        assert_eq!(corpus["sentences"], 1);
        assert_eq!(corpus["bytes_read"], text.len());
    }
}

#[test]
fn blank_lines_and_carriage_returns_are_no_words() {
    let place = Place::new();
    place.write("unix", "a b c\na b\nc\n");
    place.write("dos", "a b c\r\na b\r\nc\r\n");
    place.write("blank", "\n\na  b\tc \n\n \na b\n\r\nc");
    let expected = "a 2\nb 2\nc 2\n";
    for name in ["unix", "dos", "blank"] {
        let (words, facts) = place.vocabulary(&format!("{name} --min-count 1"));
        assert_eq!(words, expected, "{name}");
        assert_eq!(facts["sentences"], 3, "{name}");
    }
}

#[test]
fn words_are_split_folded_and_cut_as_asked() {
    let place = Place::new();
    place.write("t", "The cat, the Cat; THE end.\nÜber über the dog's cat\n");
    let words = |options: &str| {
        place.vocabulary(&format!("t {options}")).0.lines().map(str::to_string).collect::<Vec<_>>()
    };
    let sorted = |options: &str| {
        let mut all = words(options);
        all.sort();
        all.join(", ")
    };
    let plain = "Cat; 1, THE 1, The 1, cat 1, cat, 1, dog's 1, end. 1, the 2, Über 1, über 1";
    assert_eq!(sorted("--min-count 1"), plain);
    let lower = "cat 1, cat, 1, cat; 1, dog's 1, end. 1, the 4, über 2";
    assert_eq!(sorted("--min-count 1 --lowercase"), lower);
    let unicode = "Cat 1, THE 1, The 1, cat 2, dog's 1, end 1, the 2, Über 1, über 1";
    assert_eq!(sorted("--min-count 1 --unicode-words"), unicode);
    let both = "cat 3, dog's 1, end 1, the 4, über 2";
    assert_eq!(sorted("--min-count 1 --unicode-words --lowercase"), both);
    assert_eq!(words("--min-count 2 --unicode-words --lowercase"), ["the 4", "cat 3", "über 2"]);
    assert_eq!(
        words("--min-count 1 --max-vocab 2 --unicode-words --lowercase"),
        ["the 4", "cat 3"]
    );
}

#[test]
fn what_is_not_utf8_is_kept_and_told_or_refused() {
    let place = Place::new();
    place.write("t", b"good b\xffd good b\xffd good cut\xc3\n".repeat(10));
    let ran = place.run(&format!("train skip-gram t -o m.safetensors {QUICK}")).good();
    assert!(ran.err.contains("30 words are not UTF-8"), "{}", ran.err);
    let info = place.run("info m.safetensors --json").json();
    assert_eq!(info["provenance"]["corpus"]["invalid_utf8"], 30);
    place.run("convert m.safetensors m.vec").good();
    let text = place.read("m.vec");
    let lines: Vec<&[u8]> = text.split(|&b| b == b'\n').skip(1).collect();
    for word in [&b"good "[..], b"b\xffd ", b"cut\xc3 "] {
        assert!(lines.iter().any(|line| line.starts_with(word)), "{word:?}");
    }
    let split = place.run("train skip-gram t --unicode-words --dry-run").good();
    assert!(split.err.contains("30 words are not UTF-8, split at those bytes"), "{}", split.err);
    place.fails("train skip-gram t --strict -o x", &["t: not UTF-8 at byte 6", "iconv"]);
    place.write("fine", "naïve café\n".repeat(9));
    let fine = place.run(&format!("train skip-gram fine --strict -o x.vec {QUICK}")).good();
    assert!(!fine.err.contains("UTF-8"));
}

#[test]
fn inputs_that_cannot_be_trained_on() {
    let place = Place::new();
    fs::create_dir_all(place.path("folder/inner")).unwrap();
    place.write("empty", "");
    place.write("blank", "\n  \n\t\r\n");
    place.write("zeros", "text and \0\0\0");
    place.write("packed.xz", b"\xfd7zXZ\0\0\x04");
    place.write("packed.bz2", b"BZh91AY&SY1234");
    place.write("packed.zip", b"PK\x03\x04....");
    place.write("utf16", b"\xff\xfea\0b\0");
    place.write("packed-zeros.gz", gzip("text and \0\0\0"));
    place.write("cut.gz", &gzip(topics::text(100, 10))[..200]);
    place.write("cut.zst", &zstd(topics::text(100, 10))[..200]);
    place.write("long", "x".repeat(2_500_000));
    place.write("rare", "each word here is but once\n");
    let cases: [(&str, &[&str]); 15] = [
        ("missing", &["missing: "]),
        ("empty", &["empty: ", "no word"]),
        ("blank", &["blank: ", "no word"]),
        ("folder", &["folder: ", "no file"]),
        ("zeros", &["zeros: ", "zero byte at 9"]),
        ("packed.xz", &["packed.xz", "not a whole xz file"]),
        ("packed.bz2", &["packed.bz2", "not a whole bzip2 file"]),
        ("packed.zip", &["packed.zip", "unzip -p"]),
        ("utf16", &["utf16: ", "iconv"]),
        ("packed-zeros.gz", &["packed-zeros.gz: ", "zero byte"]),
        ("cut.gz", &["cut.gz: "]),
        ("cut.zst", &["cut.zst: "]),
        ("long", &["long: ", "without white space"]),
        ("rare", &["5 times in 6 words", "--min-count"]),
        ("rare missing", &["missing: "]),
    ];
    for (input, says) in cases {
        place.fails(&format!("train skip-gram {input} -q -o m.safetensors"), says);
        place.fails(&format!("train cbow {input} -q --no-cache -o m.safetensors"), says);
    }
    place.ask("train cbow - -q -o m.safetensors", "").fails(&["no word"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_text(2000);
    let path = place.path("text.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::File::open(&path).is_ok() {
        return skip("this user may read everything");
    }
    place.fails("train skip-gram text.txt -q -o m", &["text.txt: ", "ermission"]);
}

#[test]
fn columns_and_fields_are_texts() {
    let place = Place::with_text(300);
    let text = String::from_utf8(place.read("text.txt")).unwrap();
    let (words, facts) = place.vocabulary("text.txt");
    let lines = || text.lines().enumerate();
    let all = |record: &dyn Fn((usize, &str)) -> String| lines().map(record).collect::<Vec<_>>();
    let tsv = all(&|(n, line)| format!("{n}\t{line}\tx\n")).concat();
    let csv = all(&|(n, line)| format!("{n},\"{line}\",x\n")).concat();
    let object = |(n, line): (usize, &str)| {
        serde_json::json!({ "id": n, "body": line, "title": ["x"] }).to_string() + "\n"
    };
    let json: String = lines().map(object).collect();
    place.write("t.tsv", format!("id\tbody\ttitle\n{tsv}"));
    place.write("t.csv", format!("id,body,title\n{csv}"));
    place.write("t.jsonl", &json);
    place.write("t.txt", &json);
    place.write("n.tsv", &tsv);
    place.write("t.csv.gz", gzip(format!("id,body,title\n{csv}")));
    for (input, column) in [
        ("t.tsv", "body"),
        ("t.csv", "body"),
        ("t.csv.gz", "body"),
        ("t.jsonl", "body"),
        ("t.txt", "body"),
        ("n.tsv", "2"),
    ] {
        let (found, told) = place.vocabulary(&format!("{input} --column {column}"));
        assert_eq!(found, words, "{input}");
        assert_eq!(told["sentences"], facts["sentences"], "{input}");
    }
    let both = place.run("train cbow t.csv --column title,body --dry-run --json").json();
    assert_eq!(both["corpus"]["words_read"], facts["words_read"].as_u64().unwrap() + 300);
    place.fails("train cbow t.tsv --column text --dry-run", &["t.tsv", "no column 'text'", "body"]);
    place.write("bad.jsonl", "{\"body\": \"a b\"}\nno\n{\"other\": 1}\n");
    let ran = place.run("train cbow bad.jsonl --column body --min-count 1 --dry-run");
    assert!(ran.err.contains("2 ") && ran.err.contains("bad.jsonl:2"), "{}", ran.err);
    place.fails("train cbow bad.jsonl --column body --strict --dry-run", &["bad.jsonl:2"]);
    place.fails("train pv-dbow t.tsv --column body --dry-run", &["--column", "--text-column"]);
    let ran = place.run("train cbow t.jsonl --dry-run");
    assert!(ran.err.contains("t.jsonl is read as plain text"), "{}", ran.err);
    let ran = place.run("train pv-dbow t.tsv --text-column body --tag-column id --dry-run");
    assert!(!ran.err.contains("plain text"), "{}", ran.err);
    let ran = place.run("train cbow t.jsonl --column body --dry-run");
    assert!(!ran.err.contains("plain text"), "{}", ran.err);
}

#[test]
fn files_of_a_folder_are_chosen_and_what_cannot_be_read_is_named() {
    let place = Place::new();
    fs::create_dir_all(place.path("all/en/old")).unwrap();
    for (name, word) in
        [("a.txt", "one"), ("b.md", "two"), ("en/c.txt", "three"), ("en/old/d.txt", "four")]
    {
        place.write(&format!("all/{name}"), format!("{word} {word}\n").repeat(5));
    }
    let known = |options: &str| {
        let (words, _) = place.vocabulary(&format!("all {options}"));
        let mut words: Vec<String> =
            words.lines().map(|line| line.split(' ').next().unwrap().into()).collect();
        words.sort();
        words.join(" ")
    };
    assert_eq!(known(""), "four one three two");
    assert_eq!(known("--include *.txt"), "four one three");
    assert_eq!(known("--include en/**"), "four three");
    assert_eq!(known("--include en/*.txt"), "three");
    assert_eq!(known("--include *.md --include c.*"), "three two");
    assert_eq!(known("--include *.txt --exclude en/old/**"), "one three");
    assert_eq!(known("all/b.md --include *.txt"), "four one three two");
    place.fails("train cbow all --include *.pdf --dry-run", &["--include", "no file"]);
    place.fails("train cbow all --include a[ --dry-run", &["--include is no pattern"]);

    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", place.path("all/link")).unwrap();
        let ran = place.run("train cbow all --dry-run");
        assert!(ran.err.contains("left out: all/link: No such file"), "{}", ran.err);
        assert_eq!(ran.code, Some(0));
        place.fails("train cbow all --strict --dry-run", &["all/link"]);
        place.fails("train cbow all/link --dry-run", &["all/link"]);
    }
}

#[test]
fn raw_text_is_noticed_and_read_as_such() {
    let place = Place::with_text(400);
    let text = String::from_utf8(place.read("text.txt")).unwrap();
    let (words, _) = place.vocabulary("text.txt");
    // The first word of a line has a capital letter, the last a point, and others commas.
    let sentence = |line: &str| {
        let mut line = line.replacen(' ', ", ", 2);
        line[..1].make_ascii_uppercase();
        line + ".\n"
    };
    let raw: String = text.lines().map(sentence).collect();
    place.write("raw.txt", raw);
    let ran = place.run("train cbow raw.txt --dry-run --min-count 1");
    assert!(ran.err.contains("--text raw would make 40 words of"), "{}", ran.err);
    let read = place.run("train cbow raw.txt --dry-run --text raw");
    assert!(!read.err.contains("many words"), "{}", read.err);
    assert_eq!(place.vocabulary("raw.txt --text raw").0, words);
    assert_eq!(place.vocabulary("raw.txt --unicode-words --lowercase").0, words);
    assert_ne!(place.vocabulary("raw.txt --text plain").0, words);
    assert!(!place.run("train cbow text.txt --dry-run").err.contains("many words"));
    let rare = |n| format!("这是第{n}个句子它没有空格 完全没有{n}\n");
    let often = "我们今天去北京看朋友 然后一起吃饭\n".repeat(6);
    place.write("zh.txt", often + &(0..60).map(rare).collect::<Vec<_>>().concat());
    let ran = place.run("train cbow zh.txt --dry-run");
    assert!(ran.err.contains("no spaces between words"), "{}", ran.err);
}
