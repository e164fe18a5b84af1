//! The tables of transformers: their sizes, the models that they are, and their sums.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::{Place, skip};

/// Writes a safetensors file of tensors of floats.
fn write(place: &Place, name: &str, tensors: &[(&str, [usize; 2], Vec<f32>)]) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, numbers) in tensors {
        let begin = data.len();
        data.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] });
        header.insert((*name).into(), entry);
    }
    let header = Value::Object(header).to_string();
    // Numbers begin at a multiple of 8 bytes.
    let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let length = (header.len() as u64).to_le_bytes();
    place.write(name, [&length[..], header.as_bytes(), &data].concat());
}

/// A folder of data that is beside the repository, where there is one.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        skip("wants ../shared/data");
        return None;
    }
    Some(path)
}

/// The numbers of a tensor in JSON, which are written in base 64.
fn numbers(json: &Value) -> Vec<f32> {
    let code = |letter: u8| match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a' + 26),
        b'0'..=b'9' => u32::from(letter - b'0' + 52),
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let text = json["data"].as_str().unwrap().as_bytes();
    let mut bytes: Vec<u8> = text
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().fold(0, |bits, &letter| bits << 6 | code(letter));
            bits.to_be_bytes()[1..].to_vec()
        })
        .collect();
    let filled = text.len() - text.iter().position(|&letter| letter == b'=').unwrap_or(text.len());
    bytes.truncate(bytes.len() - filled);
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn token_and_position_are_what_a_trained_model_begins_with() {
    let Some(folder) = shared("transformer") else { return };
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let (model, partials) =
        (read("gpt-nano-sort-model.json"), read("gpt-nano-sort-t0-partials.json"));
    let tensor = |name: &'static str| {
        let shape = model[name]["shape"].as_array().unwrap();
        let side = |at: usize| shape[at].as_u64().unwrap() as usize;
        (name, [side(0), side(1)], numbers(&model[name]))
    };
    let place = Place::new();
    let tensors = [tensor("transformer.wte.weight"), tensor("transformer.wpe.weight")];
    write(&place, "nano.safetensors", &tensors);
    let report = place.run("inspect nano.safetensors --json").json();
    assert_eq!((&report["weights"], &report["tables"][1]["weights"]), (&672.into(), &528.into()));
    let (ids, sums) = (numbers(&partials["idx"]), numbers(&partials["x"]));
    for (ids, sums) in ids.chunks(11).zip(sums.chunks(11 * 48)) {
        let ids: Vec<String> = ids.iter().map(|id| format!("{id}")).collect();
        let line = format!("input-embed nano.safetensors --json --ids {}", ids.join(","));
        let found = place.run(&line).printed();
        assert_eq!(found.lines().count(), 11);
        for (line, expected) in found.lines().zip(sums.chunks(48)) {
            let line: Value = serde_json::from_str(line).unwrap();
            let sum = line["sum_vector"].as_array().unwrap();
            for (sum, &expected) in sum.iter().zip(expected) {
                assert!((sum.as_f64().unwrap() - f64::from(expected)).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn a_folder_with_a_transformer_is_a_model() {
    let Some(folder) = shared("transformer/minilm-l6-embeddings") else { return };
    let place = Place::new();
    let minilm = folder.display();
    let report = place.run(&format!("inspect {minilm} --json")).json();
    let counts: Vec<u64> = report["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["weights"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [11_720_448, 196_608, 768]);
    assert_eq!(report["total"], 22_713_216);
    let near = |options: &str| {
        let answer = place.run(&format!("similar {minilm} {options} --json")).json();
        answer["neighbours"][0]["word"].as_str().unwrap().to_string()
    };
    assert_eq!([near("king"), near("paris")], ["kings", "parisian"]);
    assert!(["6", "8"].contains(&&*near("--table position 7")));
    place.run(&format!("convert {minilm} own.safetensors --table position")).good();
    let info = place.run("info own.safetensors --json").json();
    assert_eq!((&info["words"], &info["dim"]), (&512.into(), &384.into()));
    place.fails(
        &format!("similar {minilm} --table nix 1"),
        &["nix: no such table; there are: token"],
    );
    place.write("pairs.tsv", "king\tqueen\t9\nking\ttable\t1\nparis\tlondon\t8\ndog\tapril\t0\n");
    let scores = place.run(&format!("eval {minilm} pairs.tsv --json --draws 100")).json();
    assert_eq!(scores["models"][0]["sets"][0]["known"], 4);
}

#[test]
fn sizes_are_computed_without_a_file() {
    let place = Place::new();
    let plan = "inspect --plan --vocab 50257 --dim 12288 --context 2048 --total 175e9";
    let report = place.run(&format!("{plan} --json")).json();
    assert_eq!(report["tables"][0]["weights"], 617_558_016);
    assert_eq!(report["tables"][1]["weights"], 25_165_824);
    assert_eq!((&report["weights"], &report["share"]), (&642_723_840.into(), &0.003_673.into()));
    let text = place.run(plan).printed();
    assert!(text.contains("642,723,840     0.3673 %"), "{text}");
    let report = place.run("inspect --plan --vocab 32000 --dim 4096 --json").json();
    assert_eq!(report["remarks"][0], "no position matrix");
    place.misuses("inspect --plan --vocab 0 --dim 3", &["give a whole number from 1 on"]);
    place.misuses("inspect", &["required"]);
    place.fails("inspect --plan --vocab 1e15 --dim 1e15", &["more than can be counted"]);
}

#[test]
fn the_tables_of_a_small_model_are_told() {
    let place = Place::new();
    let token = vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let tensors = [
        ("lm_head.weight", [3, 2], token.clone()),
        ("model.embed_tokens.weight", [3, 2], token),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", [1, 2], vec![0.5; 2]),
    ];
    write(&place, "m.safetensors", &tensors);
    let text = place.run("inspect m.safetensors --tensors").printed();
    for part in [
        "lm_head.weight is the token matrix over again, and counted once",
        "no position matrix: positions are rotated into attention",
        "of the weights of m.safetensors: 8",
        "rotary_emb.inv_freq",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let run = place.run("input-embed m.safetensors --ids 2,0").good();
    assert!(
        run.err.contains("no tokenizer beside it: rows are named by their numbers"),
        "{}",
        run.err
    );
    assert!(run.out.contains("0  2 (token 2)\n  token     length  1.41421"), "{}", run.out);
    assert!(!run.out.contains("position  length"), "{}", run.out);
    place.write("vocab.txt", "a\nb\nc\n");
    place.fails("input-embed m.safetensors --ids 3", &["m.safetensors: no token 3: the last is 2"]);
    place.fails("input-embed m.safetensors --tokens king", &["unknown word 'king'"]);
    place.write("torch.bin", b"PK\x03\x04");
    place.fails("inspect torch.bin", &["torch.bin: is a pickle", "save_file"]);
    place.fails("inspect missing/", &["missing"]);
}

#[test]
fn words_are_composed_of_pieces_by_the_models_own_rules() {
    let place = Place::new();
    let rows = vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 3.0, -1.0];
    write(&place, "m.safetensors", &[("embeddings.word_embeddings.weight", [5, 2], rows)]);
    place.write("vocab.txt", "[UNK]\nun\n##do\n##ne\n.\n");
    let run = place.run("vector m.safetensors Undo").good();
    assert_eq!(
        run.err,
        "wordloom: 'Undo' is not in the vocabulary: composed from its pieces un ##do\n"
    );
    let numbers: Vec<f32> =
        run.out.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    assert_eq!(numbers, [0.5, 0.5]);
    let answer = place.run("similar m.safetensors Undone -k 1 --json").json();
    assert_eq!(answer["composed"][0], "Undone");
    place.fails("vector m.safetensors redo", &["unknown word 'redo'"]);
    // Sentences are divided by the same rules, and not at white space alone.
    place.write(
        "sts.tsv",
        "5\tUndo. Un\tundo. un\n0\tdone un un\tnothing here at all\n1\tun un un\tundone .\n",
    );
    let report = place.run("eval m.safetensors sts.tsv --json --draws 100").json();
    let set = &report["models"][0]["sets"][0];
    assert_eq!(
        (&set["kind"], &set["known"], &set["items"]),
        (&"sentences".into(), &2.into(), &3.into())
    );
}

#[test]
fn vectors_are_changed_after_training_and_the_history_says_how() {
    let place = Place::new();
    let rows: Vec<f32> =
        (0..60).map(|i| ((i * i) as f32).sin() + if i % 3 == 0 { 4.0 } else { 0.0 }).collect();
    write(&place, "m.safetensors", &[("embeddings.word_embeddings.weight", [20, 3], rows)]);
    let names: Vec<String> = (0..18).map(|i| format!("w{i}")).collect();
    place.write("vocab.txt", format!("[UNK]\n##s\n{}\n", names.join("\n")));
    let run = place.run("convert m.safetensors small.safetensors --post pca:2,zipf:1e-3").good();
    assert!(run.err.contains("20 words x 2"), "{}", run.err);
    let info = place.run("info small.safetensors --json").json();
    assert_eq!(info["provenance"]["post"], json!(["pca:2", "zipf:1e-3"]));
    assert!(place.run("info small.safetensors").printed().contains("changed   pca:2, zipf:1e-3"));
    // Its words are still pieces of words.
    let run = place.run("vector small.safetensors w3s").good();
    assert!(run.err.contains("composed from its pieces w3 ##s"), "{}", run.err);
    let run = place.run("convert small.safetensors small.vec").good();
    assert!(run.err.contains("does not hold rules for pieces of words"), "{}", run.err);
    place.fails("convert m.safetensors x.safetensors --post pca:4", &["pca:4: the vectors have 3"]);
    place
        .misuses("convert m.safetensors x.safetensors --post top", &["give center, abtt:N, pca:N"]);
    let trained = Place::with_model();
    let run = trained.run("convert m.safetensors c.safetensors --post center").good();
    assert!(run.err.contains("output vectors can't follow the change"), "{}", run.err);
}

#[test]
fn vectors_of_services_become_models() {
    let place = Place::new();
    let lines = "{\"text\": \"a b\", \"embedding\": [1, 0, 2]}\n{\"text\": \"c\", \"embedding\": [0, 1, 2]}\n";
    place.write("v.jsonl", lines);
    let run = place.run("import v.jsonl -o m.safetensors --dims 2").good();
    assert!(run.err.contains("2 vectors x 2 -> m.safetensors"), "{}", run.err);
    let answer = place.run("similar m.safetensors c --json").json();
    assert_eq!(answer["neighbours"], json!([{ "word": "a b", "score": 0.0 }]));
    assert!(place.run("info m.safetensors").printed().contains("imported from v.jsonl"));
    place.fails("import v.jsonl -o x.safetensors --dims 4", &["--dims must be from 1 to 3"]);
    place.fails("import v.jsonl -o v.jsonl --to text", &["v.jsonl"]);
    place.write("v.jsonl", lines.replace("[0, 1, 2]", "[0, 1]"));
    place
        .fails("import v.jsonl -o x.safetensors", &["v.jsonl: line 2: 2 numbers, where the first"]);
    place
        .fails("import v.jsonl -o x.safetensors --names v.jsonl", &["--names are for NumPy files"]);
    assert!(!place.has("x.safetensors"));
}

#[test]
fn text_is_split_into_the_pieces_of_a_vocabulary() {
    let place = Place::new();
    let names = ["[UNK]", "un", "##do", "##ne", "red", "."];
    place.write("vocab.txt", names.join("\n"));
    // A word that can't be divided is `[UNK]`, as the model itself has it.
    let text = "Undo red. xyz\nundone RED.\n";
    place.write("t.txt", text.repeat(30));
    let train = "train skip-gram t.txt --pieces vocab.txt -q --dim 4 --epochs 1 --threads 1";
    place.run(&format!("{train} -o m.safetensors --save-vocab v.txt")).good();
    let counts = std::fs::read_to_string(place.path("v.txt")).unwrap();
    let mut lines: Vec<&str> = counts.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["##do 60", "##ne 30", ". 60", "[UNK] 30", "red 60", "un 60"]);
    let run = place.run("similar m.safetensors Undo -k 1").good();
    assert!(run.err.contains("composed from its pieces un ##do"), "{}", run.err);
    let said = place.run("info m.safetensors").printed();
    assert!(said.contains("pieces vocab.txt"), "{said}");
    // GloVe, documents and comparisons split by the same rules.
    let glove = "train glove t.txt --pieces vocab.txt -q --dim 4 --epochs 1 --threads 1";
    place.run(&format!("{glove} -o g.safetensors")).good();
    let run = place.run("vector g.safetensors undone").good();
    assert!(run.err.contains("composed from its pieces un ##do ##ne"), "{}", run.err);
    let rows = vec![0.5; 12];
    write(&place, "table.safetensors", &[("embeddings.word_embeddings.weight", [6, 2], rows)]);
    place.write("pairs.tsv", "undo\tred\t9\nred\tundone\t1\nun\t.\t8\n");
    let compare = "compare m.safetensors g.safetensors table.safetensors --sets pairs.tsv";
    let report = place.run(&format!("{compare} --json --draws 100")).json();
    assert_eq!(report["words"], 6, "{report}");
    place.run("train pv-dbow t.txt --pieces vocab.txt -q --dim 4 --words -o d.safetensors").good();
    assert_eq!(place.run("infer d.safetensors undo --json").good().out.lines().count(), 1);
    // The same text split otherwise is another text.
    let words = place.run(&format!("{} -o w.safetensors", train.replace("--pieces vocab.txt", "")));
    words.good();
    assert_eq!(place.run("info w.safetensors --json").json()["words"], 5);
    place.fails(&format!("{train} -o x.safetensors --lowercase"), &["leave out --lowercase"]);
    place.write("unigram.json", r#"{"model": {"type": "Unigram", "vocab": [["a", -1.0]]}}"#);
    place.fails(
        "train skip-gram t.txt --pieces unigram.json -o x.safetensors",
        &["unigram.json: no tokenizer whose rules are known", "split the text by the tokenizer"],
    );
    place.fails("train skip-gram t.txt --pieces t -o x.safetensors", &["t: "]);
    assert!(!place.has("x.safetensors"));
}

#[test]
fn a_text_is_what_a_model_begins_with() {
    let place = Place::new();
    let rows: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let tensors = [
        ("embeddings.word_embeddings.weight", [6, 2], rows),
        ("embeddings.position_embeddings.weight", [8, 2], vec![0.25; 16]),
    ];
    write(&place, "m.safetensors", &tensors);
    place.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nun\n##do\nred\n");
    let names = |options: &str| -> Vec<String> {
        let printed = place.run(&format!("input-embed m.safetensors --json {options}")).printed();
        let token = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["token"].as_str().unwrap().to_string()
        };
        printed.lines().map(token).collect()
    };
    assert_eq!(names("--text Undo"), ["[CLS]", "un", "##do", "[SEP]"]);
    assert_eq!(names("--text odd --bare"), ["[UNK]"]);
    place.fails("input-embed m.safetensors --text \u{200b}", &["no word in the text"]);
    place.misuses("input-embed m.safetensors --ids 1 --bare", &["--bare"]);
}

#[test]
fn how_vectors_lie_is_told() {
    let place = Place::new();
    let rows: Vec<f32> = (0..80).map(|i| ((i * i) as f32).sin()).collect();
    let positions: Vec<f32> = (0..40).map(|i| (i as f32 / 9.0).cos()).collect();
    let tensors = [
        ("embeddings.word_embeddings.weight", [40, 2], rows),
        ("embeddings.position_embeddings.weight", [20, 2], positions),
    ];
    write(&place, "model.safetensors", &tensors);
    let info = place.run("info . --json").json();
    let lie = &info["geometry"];
    assert_eq!((&lie["sample"], &lie["lengths"][0]["last"]), (&40.into(), &40.into()));
    assert_eq!(lie["positions"].as_array().unwrap().len(), 2);
    let said = place.run("info .").printed();
    for part in ["lengths   ", "cosine    ", "variance  ", "hubs      ", "positions 0.9"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let trained = Place::with_model();
    let plain = trained.run("info m.safetensors").printed();
    let said = trained.run("info m.safetensors --geometry").printed();
    assert!(!plain.contains("hubs") && said.contains("hubs"), "{said}");
}

#[test]
fn a_gguf_file_is_a_model() {
    let place = Place::new();
    let string = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let names = ["[CLS]", "\u{2581}king", "s", "\u{2581}queen"];
    let mut file =
        [&b"GGUF"[..], &3u32.to_le_bytes(), &1u64.to_le_bytes(), &2u64.to_le_bytes()].concat();
    file.extend(
        [string("tokenizer.ggml.model"), 8u32.to_le_bytes().into(), string("bert")].concat(),
    );
    file.extend(string("tokenizer.ggml.tokens"));
    file.extend([&9u32.to_le_bytes()[..], &8u32.to_le_bytes(), &4u64.to_le_bytes()].concat());
    for name in names {
        file.extend(string(name));
    }
    file.extend(string("token_embd.weight"));
    file.extend([2u32.to_le_bytes(), 2u32.to_le_bytes(), [0; 4], 4u32.to_le_bytes()].concat());
    file.extend([[0; 4], 0u32.to_le_bytes(), [0; 4], [0; 4]].concat());
    file.resize(file.len().next_multiple_of(32), 0);
    let rows = [1.0f32, 0.0, 0.6, 0.8, 1.0, 1.0, 0.8, 0.6];
    file.extend(rows.iter().flat_map(|x| x.to_le_bytes()));
    place.write("m.gguf", &file);
    let answer = place.run("similar m.gguf king -k 1 --json").json();
    assert_eq!(answer["neighbours"][0]["word"], "##s");
    let run = place.run("vector m.gguf kings").good();
    assert!(run.err.contains("composed from its pieces king ##s"), "{}", run.err);
    let report = place.run("inspect m.gguf --json").json();
    assert_eq!(report["tables"][0]["tensor"], "token_embd.weight");
    place.run("convert m.gguf m.safetensors").good();
    assert_eq!(place.run("info m.safetensors --json").json()["words"], 4);
    place.write("m.gguf", &file[..file.len() - 1]);
    place
        .fails("similar m.gguf king", &["m.gguf: the tensor token_embd.weight is not in the file"]);
}
