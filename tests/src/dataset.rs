//! Instruction data in the layouts people keep it in, and what is said of data that is not.

use iterit_core::dataset::{self, DataFormat, Dataset, EvalSplit, FieldNames, ReadOptions, Row};
use iterit_core::{Role, Sample, Turn};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files of one folder, loaded in order; the folder is left out of messages.
fn load(files: &[(&str, &[u8])], format: DataFormat) -> Result<Vec<Sample>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
    for (path, (_, content)) in paths.iter().zip(files) {
        fs::write(path, content).expect("a file");
    }
    let at = format!("{}/", folder.path().display());
    let loaded = dataset::load(&paths, format).map(|dataset| dataset.samples());
    loaded.map_err(|error| error.to_string().replace(&at, ""))
}

/// Prompt and response of the one row given.
fn one(row: &str) -> (Vec<(Role, String)>, String) {
    let mut samples = load(&[("data.jsonl", row.as_bytes())], DataFormat::Auto).expect(row);
    let Sample { prompt, response, .. } = samples.remove(0);
    (prompt.into_iter().map(|Turn { role, content }| (role, content)).collect(), response)
}

#[test]
fn layouts_of_a_row() {
    use Role::{Assistant, System, User};
    const HELPFUL: (Role, &str) = (System, "You are a helpful assistant.");
    for (row, prompt, response) in [
        (
            r#"{"instruction": "Do.", "input": "", "output": " x\n"}"#,
            vec![HELPFUL, (User, "Do.")],
            " x\n",
        ),
        (
            r#"{"instruction": "Do.", "input": " it ", "output": "x"}"#,
            vec![HELPFUL, (User, "Do.\nInput:  it ")],
            "x",
        ),
        (
            r#"{"instruction": "Do.", "input": null, "output": ""}"#,
            vec![HELPFUL, (User, "Do.")],
            "",
        ),
        (
            r#"{"instruction": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
                {"from": "human", "value": "c"}], "output": "d"}"#,
            vec![HELPFUL, (User, "a"), (Assistant, "b"), (User, "c")],
            "d",
        ),
        (
            r#"{"instruction": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}],
                "input": "i", "output": "d"}"#,
            vec![(System, "s"), (User, "a\nInput: i")],
            "d",
        ),
        (
            r#"{"instruction": "Do.", "system": "s", "output": "d"}"#,
            vec![(System, "s"), (User, "Do.")],
            "d",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}"#,
            vec![(User, "a"), (Assistant, "b"), (User, "c")],
            "d",
        ),
        (
            r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
                {"from": "human", "value": "unanswered"}]}"#,
            vec![(User, "a")],
            "b",
        ),
        (r#"{"prompt": "a", "completion": "b"}"#, vec![(User, "a")], "b"),
        (r#"{"prompt": "a", "response": "b"}"#, vec![(User, "a")], "b"),
        (
            r#"{"instruction": "Do.", "context": "it", "response": "x", "category": "qa"}"#,
            vec![HELPFUL, (User, "Do.\nInput: it")],
            "x",
        ),
        (
            r#"{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}],
                "completion": [{"role": "assistant", "content": "b"}]}"#,
            vec![(System, "s"), (User, "a")],
            "b",
        ),
        (
            r#"{"prompt": "a", "completion": [{"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}"#,
            vec![(User, "a"), (Assistant, "b"), (User, "c")],
            "d",
        ),
        (r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#, vec![(User, "a")], "b"),
        (
            r#"{"prompt": [{"role": "user", "content": "a"}],
                "chosen": [{"role": "assistant", "content": "b"}],
                "rejected": [{"role": "assistant", "content": "c"}]}"#,
            vec![(User, "a")],
            "b",
        ),
        (
            r#"{"prompt": "a", "messages": [{"role": "user", "content": "a"}],
                "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]}"#,
            vec![(User, "a")],
            "b",
        ),
        (
            r#"{"system": "s", "question": "a", "chosen": "b", "rejected": "c"}"#,
            vec![(System, "s"), (User, "a")],
            "b",
        ),
        (
            r#"{"conversations": [{"from": "human", "value": "a"}],
                "chosen": {"from": "gpt", "value": "b"}, "rejected": {"from": "gpt", "value": "c"}}"#,
            vec![(User, "a")],
            "b",
        ),
        (
            r#"{"conversation": [{"from": "human", "value": "a"}, {"from": "chatgpt", "value": "b"}]}"#,
            vec![(User, "a")],
            "b",
        ),
    ] {
        let row = row.replace('\n', " ");
        let prompt = prompt.into_iter().map(|(role, text)| (role, text.to_owned())).collect();
        assert_eq!(one(&row), (prompt, response.to_owned()), "{row}");
    }
}

#[test]
fn ids_run_through_all_files_however_packed() {
    let rows = |range: std::ops::Range<usize>| -> Vec<_> {
        range.map(|i| json!({"instruction": format!("{i}"), "output": "x", "topic": i})).collect()
    };
    let lines = |range| rows(range).iter().map(|row| format!("{row}\n")).collect::<String>();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(lines(3..5).as_bytes()).expect("packed");
    let gz = gz.finish().expect("packed");
    let array = serde_json::to_vec_pretty(&rows(5..8)).expect("JSON");
    let zst = zstd::encode_all(array.as_slice(), 1).expect("packed");
    let plain = serde_json::to_vec(&rows(0..3)).expect("JSON");

    let files: [(&str, &[u8]); 3] = [("a.json", &plain), ("b.jsonl.gz", &gz), ("c.json.zst", &zst)];
    let samples = load(&files, DataFormat::Auto).expect("samples");
    assert_eq!(samples.len(), 8);
    for (id, sample) in samples.iter().enumerate() {
        assert_eq!((sample.id, &sample.prompt[1].content), (id as u64, &id.to_string()));
        let source = ["a", "b", "c"][[3, 5].iter().filter(|&&end| id >= end).count()];
        let metadata = json!({"topic": id, "source": source});
        assert_eq!(sample.metadata, *metadata.as_object().expect("an object"));
    }

    let rows: Vec<Row> = samples.into_iter().map(Row::from).collect();
    let (kept, held) =
        dataset::hold_out(rows.clone(), 0.25, EvalSplit::Last).expect("some of each");
    assert_eq!((kept.as_slice(), held.as_slice()), rows.split_at(6));
    let parted = dataset::hold_out(held, 0.9, EvalSplit::Last);
    assert!(parted.is_ok_and(|(kept, held)| kept.len() == held.len()));
    assert!(dataset::hold_out(kept[..1].to_vec(), 0.1, EvalSplit::Last).is_err());
}

/// By hash a row is on the same side whatever else there is, and so are its copies.
#[test]
fn rows_are_held_out_by_what_they_say() {
    let row = |text: usize| {
        let prompt = vec![Turn::new(Role::User, format!("question {text}"))];
        let response = format!("answer {text}");
        Row::from(Sample { id: 0, prompt, response, metadata: Map::new() })
    };
    let responses = |rows: &[Row]| -> Vec<String> {
        rows.iter().map(|row| row.conversation.response().text()).collect()
    };
    let all: Vec<Row> = (0..1000).map(row).collect();
    let (kept, held) = dataset::hold_out(all.clone(), 0.2, EvalSplit::Hash).expect("some of each");
    assert!((150..250).contains(&held.len()), "{}", held.len());
    assert_eq!(kept.len() + held.len(), 1000);
    let doubled: Vec<Row> = all.iter().rev().chain(&all[..500]).cloned().collect();
    let (_, again) = dataset::hold_out(doubled, 0.2, EvalSplit::Hash).expect("some of each");
    let held = responses(&held);
    assert!(responses(&again).iter().all(|response| held.contains(response)));
    assert!(again.len() > held.len());
}

/// What a file of these rows reads as under these options.
fn read(rows: &str, options: ReadOptions) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.jsonl");
    fs::write(&path, rows).expect("a file");
    let at = format!("{}/", folder.path().display());
    dataset::load(&[path], options)
        .map(|mut dataset| {
            for note in &mut dataset.notes {
                note.message = note.message.replace(&at, "");
            }
            dataset
        })
        .map_err(|error| error.to_string().replace(&at, ""))
}

#[test]
fn fields_may_have_other_names() {
    let names = [("instruction", "question"), ("output", "answer")];
    let names = names.map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned()));
    let fields = FieldNames::new(names.into_iter().collect());
    let options = ReadOptions { fields, ..ReadOptions::default() };
    let rows = r#"{"question": "a", "answer": "b"}"#;
    let samples = read(rows, options.clone()).expect("rows").samples();
    assert_eq!(samples[0].response, "b");
    let missing = read(r#"{"question": "a"}"#, options).expect_err("no answer");
    assert!(
        missing.contains("`answer`, which `data.fields.output` names, is missing"),
        "{missing}"
    );
    let unknown = read(rows, ReadOptions::default()).expect_err("no layout");
    assert!(
        unknown.contains("hint: where fields have other names, --set data.fields."),
        "{unknown}"
    );
}

#[test]
fn bad_rows_are_skipped_as_many_as_may_be_and_told() {
    let rows =
        "{\"prompt\": \"a\", \"response\": \"b\"}\n{\"prompt\": \"c\"\n{\"prompt\": \"d\"}\n";
    let options = |skip_bad| ReadOptions { skip_bad, ..ReadOptions::default() };
    let dataset = read(rows, options(2)).expect("one row is good");
    assert_eq!(dataset.rows.len(), 1);
    let told = &dataset.notes.last().expect("a note").message;
    for words in
        ["2 bad rows are skipped", "row 1 (line 2): EOF", "row 2 (line 3): `completion` is"]
    {
        assert!(told.contains(words), "{told}");
    }
    let refused = read(rows, options(1)).expect_err("two are bad");
    assert!(refused.starts_with("`data.jsonl`: 2 of 3 rows cannot be read\n  row 1"), "{refused}");
}

#[test]
fn sources_have_names_and_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, count: usize| {
        let row = |i| json!({"prompt": format!("{name} {i}"), "response": "x"}).to_string() + "\n";
        let path = folder.path().join(name);
        fs::write(&path, (0..count).map(row).collect::<String>()).expect("a file");
        path
    };
    let paths = [write("one.jsonl", 100), write("two.v1.jsonl", 40), write("three.json", 10)];
    let sources = |limits: &[(&str, f64)]| {
        let sources = limits.iter().map(|&(name, share)| (name.to_owned(), share)).collect();
        dataset::load(&paths, ReadOptions { sources, ..ReadOptions::default() })
    };
    let limited = sources(&[("one", 0.25), ("two.v1", 7.0)]).expect("rows");
    let names: Vec<_> = limited.sources.iter().map(|it| (it.name.as_str(), it.num_rows)).collect();
    assert_eq!(names, [("one", 25), ("two.v1", 7), ("three", 10)]);
    let samples = limited.samples();
    assert_eq!(
        (&samples[0].metadata["source"], &samples[41].metadata["source"]),
        (&json!("one"), &json!("three"))
    );
    // What is kept is kept in order, and of a larger limit more of the same.
    let texts = |dataset: Dataset| -> Vec<String> {
        dataset.samples().into_iter().map(|mut it| it.prompt.remove(0).content).collect()
    };
    let (fewer, more) = (texts(limited), texts(sources(&[("one", 0.5)]).expect("rows")));
    assert!(fewer[..25].iter().all(|text| more[..50].contains(text)));
    let number = |text: &String| text.rsplit(' ').next().and_then(|it| it.parse::<usize>().ok());
    assert!(more[..50].is_sorted_by_key(number));
    let unknown = sources(&[("tow.v1", 5.0)]).expect_err("no such source").to_string();
    assert!(unknown.contains("`data.sources.tow.v1`: no source has this name"), "{unknown}");
    assert!(unknown.ends_with("hint: did you mean `two.v1`?"), "{unknown}");
}

/// Rows that differ in nothing but how the file holds them.
#[test]
fn files_as_they_come() {
    let rows = |name: &str, content: &str| {
        let samples = load(&[(name, content.as_bytes())], DataFormat::Auto)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        samples.into_iter().map(|it| (it.prompt, it.response, it.metadata)).collect::<Vec<_>>()
    };
    let (a, b) = (r#"{"prompt": "a", "response": "b"}"#, r#"{"prompt": "c", "response": "d"}"#);
    let expected = rows("data.json", &format!("[{a}, {b}]"));
    assert_eq!(expected.len(), 2);
    for (name, content) in [
        ("mark.json", format!("\u{feff}[{a}, {b}]")),
        ("mark.jsonl", format!("\u{feff}{a}\r\n\r\n   \n{b}\n")),
        ("one-line.jsonl", format!("{a}{b}")),
        (
            "pretty.jsonl",
            "{\n \"prompt\": \"a\",\n \"response\": \"b\"\n}\n{\n \"prompt\": \"c\",\n \
             \"response\": \"d\"\n}\n"
                .into(),
        ),
        ("wrapped.json", format!("{{\"version\": 1, \"data\": [{a}, {b}]}}")),
        ("columns.json", r#"{"prompt": ["a", "c"], "response": ["b", "d"]}"#.into()),
        ("data.csv", "prompt,response\na,b\nc,d\n".into()),
        ("data.tsv", "prompt\tresponse\r\na\tb\r\nc\td".into()),
        ("semicolons.csv", "\u{feff}prompt;response\na;b\nc;d\n".into()),
    ] {
        assert_eq!(rows(name, &content), expected, "{name}: {content}");
    }

    let null = rows("null.jsonl", r#"{"prompt": "a", "response": "b", "score": null}"#);
    for word in ["NaN", "Infinity", "-Infinity"] {
        let row = format!(r#"{{"prompt": "a", "response": "b", "score": {word}}}"#);
        assert_eq!(rows("data.jsonl", &row), null, "{word}");
        assert_eq!(rows("data.json", &format!("[{row}]")), null, "{word}");
    }
}

/// Merged data sets have every column that any of them had, null where it was not theirs.
#[test]
fn null_columns_are_none_and_rows_may_differ() {
    use Role::{Assistant, User};
    for (row, turns, response) in [
        (r#"{"messages": null, "prompt": "a", "completion": null, "response": "b"}"#, 1, "b"),
        (r#"{"conversations": null, "instruction": "a", "input": null, "output": "b"}"#, 2, "b"),
        (
            r#"{"conversations": [{"from": "human", "value": "a", "role": null, "content": null},
                {"from": "gpt", "value": "b", "role": null, "content": null}], "output": null}"#,
            1,
            "b",
        ),
    ] {
        let (prompt, found) = one(&row.replace('\n', " "));
        assert_eq!((prompt.len(), found.as_str()), (turns, response), "{row}");
        assert_eq!(prompt.last(), Some(&(User, "a".to_owned())), "{row}");
    }
    let mixed = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "instruction": null, "output": null}
{"messages": null, "instruction": "c", "output": "d"}"#;
    let samples =
        load(&[("mixed.jsonl", mixed.as_bytes())], DataFormat::Auto).expect("two layouts");
    let responses: Vec<&str> = samples.iter().map(|sample| sample.response.as_str()).collect();
    assert_eq!(responses, ["b", "d"]);
    assert!(samples.iter().all(|it| it.prompt.iter().all(|turn| turn.role != Assistant)));
}

/// What pandas and `datasets` wrote reads as the JSON of the same rows.
#[test]
fn tables_read_as_json() {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tables");
    let rows = |name: &str| {
        let dataset = dataset::load(&[tables.join(name)], DataFormat::Auto)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let samples = dataset.samples();
        samples.into_iter().map(|it| (it.prompt, it.response, it.metadata)).collect::<Vec<_>>()
    };
    let (instructions, conversations) = (rows("instructions.jsonl"), rows("conversations.jsonl"));
    assert_eq!((instructions.len(), conversations.len()), (7, 5));
    for packing in ["snappy", "zstd", "gzip", "lz4", "None", "words"] {
        let name = format!("instructions-{packing}.parquet");
        assert_eq!(rows(&name), instructions, "{name}");
    }
    for name in ["instructions.feather", "columns.json", "split.json", "hub"] {
        assert_eq!(rows(name), instructions, "{name}");
    }
    for name in ["conversations.parquet", "saved", "saved_dict"] {
        assert_eq!(rows(name), conversations, "{name}");
    }
    // A cell of CSV is a text, whatever pandas wrote it from.
    let texts = |rows: Vec<(Vec<Turn>, String, Map<String, Value>)>| -> Vec<_> {
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        rows.into_iter()
            .map(|(prompt, response, row)| {
                (prompt, response, row.values().map(text).collect::<Vec<_>>())
            })
            .collect()
    };
    for name in ["instructions.csv", "instructions.tsv", "semicolons.csv", "instructions.csv.gz"] {
        assert_eq!(texts(rows(name)), texts(instructions.clone()), "{name}");
    }
}

#[test]
fn bad_data_is_named_by_file_row_and_field() {
    let zst =
        zstd::encode_all(&br#"[{"instruction": "a", "output": "b"}]"#[..], 1).expect("packed");
    let message = |name: &str, content: &[u8], format: DataFormat| {
        load(&[(name, content)], format).expect_err("a fault")
    };
    for (content, expected) in [
        ("", "`data.json`: no sample in it, expected some"),
        (" [ ] ", "`data.json`: no sample in it, expected some"),
        (
            "id,text",
            "`data.json`: it begins with `i`, expected a JSON array, or one JSON object a line\n\
             hint: comma-separated values are known by their name, FILE.csv",
        ),
        (
            r#"[{"instruction": "a", "output": "b"}, {"instruction": "c""#,
            "`data.json`: it ends within row 1, at line 1, expected the array to be closed: the file is \
             cut off",
        ),
        (
            "[{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\"",
            "`data.json`: not JSON near row 1, line 2, column 1: expected `,` or `]`",
        ),
        (
            r#"[{"instruction": "a", "output": "b"}] []"#,
            "`data.json`: not JSON near row 1, line 1, column 39: trailing characters",
        ),
        (
            r#"[{"instruction": 3, "input": [], "output": null}, {"instruction": "a"}, 7]"#,
            "`data.json`: 3 of 3 rows cannot be read\n  \
             row 0: `instruction` is the number 3, expected a string or a list of turns; `input` is a list, \
             expected a string, or no such field; `output` is null, expected a string\n  \
             row 1: `output` is missing, expected a string\n  \
             row 2: the number 7, expected an object",
        ),
        (
            "{\"instruction\": \"a\", \"output\": \"b\"}\n\n{\"instruction\": \"a\"\n{\"output\": \"b\"}\n",
            "`data.json`: 2 of 3 rows cannot be read\n  \
             row 1 (line 3): EOF while parsing an object, expected one whole JSON object on the line\n  \
             row 2 (line 4): `instruction` is missing, expected a string or a list of turns",
        ),
        (
            r#"[{"question": "a", "answer": "b"}]"#,
            "`data.json`: 1 of 1 rows cannot be read\n  \
             row 0: the fields are `question`, `answer`, expected `instruction` and `output`, `messages`, \
             `conversations`, `prompt` and `completion`, or `chosen` and `rejected`\n\
             hint: where fields have other names, --set data.fields.instruction=NAME and --set \
             data.fields.output=NAME say so",
        ),
        (
            r#"[{"messages": [{"role": 7, "content": "a"}, {"role": "user"}]}]"#,
            "`data.json`: 1 of 1 rows cannot be read\n  \
             row 0: `messages[0].role` is the number 7, expected \"system\", \"user\" or \"human\", \
             \"assistant\" or \"gpt\", or another role that the template knows; \
             `messages[1].content` is missing, expected a string",
        ),
        (
            r#"[{"messages": [{"role": "user", "content": "a"}]}]"#,
            "`data.json`: 1 of 1 rows cannot be read\n  \
             row 0: `messages` has no turn of the assistant to learn",
        ),
        (
            r#"[{"instruction": [{"from": "gpt", "value": "a"}], "output": "b"}]"#,
            "`data.json`: 1 of 1 rows cannot be read\n  \
             row 0: the last turn of `instruction` is not the user's, expected what is asked",
        ),
    ] {
        assert_eq!(message("data.json", content.as_bytes(), DataFormat::Auto), expected);
    }

    let named =
        message("data.json", br#"[{"prompt": "a", "completion": "b"}]"#, DataFormat::Alpaca);
    assert!(named.contains("row 0: `instruction` is missing"), "{named}");
    let many = "[".to_owned() + &vec!["1"; 100].join(",") + "]";
    let many = message("data.json", many.as_bytes(), DataFormat::Auto);
    assert!(many.ends_with("row 4: the number 1, expected an object\n  and 95 more"), "{many}");
    let cut = message("data.json.zst", &zst[..zst.len() - 9], DataFormat::Auto);
    assert!(cut.contains("the packed file is cut off"), "{cut}");
    let twice = zstd::encode_all(zst.as_slice(), 1).expect("packed");
    let twice = message("data.json.zst", &twice, DataFormat::Auto);
    assert!(twice.contains("packed twice"), "{twice}");
    let utf16: Vec<u8> = "\u{feff}[1]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = message("data.json", &utf16, DataFormat::Auto);
    assert!(utf16.contains("UTF-16 text, expected UTF-8\nhint: iconv -f UTF-16 "), "{utf16}");
    let latin1 = message("data.json", b"[{\"instruction\": \"caf\xe9\"}]", DataFormat::Auto);
    assert!(latin1.contains("hint: JSON is UTF-8; iconv -f CP1252"), "{latin1}");
    let latin1 = message("data.jsonl", b"{\"instruction\": \"caf\xe9\"}", DataFormat::Auto);
    assert!(latin1.contains("byte 21 is `\\xe9`, which is not UTF-8"), "{latin1}");
    let plain = message("data.json.gz", b"not packed at all", DataFormat::Auto);
    assert!(plain.starts_with("cannot read `data.json.gz`: "), "{plain}");
    let none = dataset::load(&[PathBuf::from("nowhere.json")], DataFormat::Auto);
    assert!(none.expect_err("no file").to_string().starts_with("cannot read `nowhere.json`: "));
    let unset = dataset::load(&[], DataFormat::Auto).expect_err("no path").to_string();
    assert!(unset.starts_with("`data.path` is not set\nhint: "), "{unset}");
}
