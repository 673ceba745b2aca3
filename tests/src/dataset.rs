//! Instruction data in the layouts people keep it in, and what is said of data that is not.

use iterit_core::dataset::{self, DataFormat, Row};
use iterit_core::{Role, Sample, Turn};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

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
        assert_eq!(sample.metadata, *json!({"topic": id}).as_object().expect("an object"));
    }

    let rows: Vec<Row> = samples.into_iter().map(Row::from).collect();
    let (kept, held) = dataset::hold_out(rows.clone(), 0.25).expect("some of each");
    assert_eq!((kept.as_slice(), held.as_slice()), rows.split_at(6));
    assert!(dataset::hold_out(held, 0.9).is_ok_and(|(kept, held)| kept.len() == held.len()));
    assert!(dataset::hold_out(kept[..1].to_vec(), 0.1).is_err());
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
            "`data.json`: it begins with `i`, expected a JSON array, or one JSON object a line",
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
             `conversations`, or `prompt` and `completion`",
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
    let plain = message("data.json.gz", b"not packed at all", DataFormat::Auto);
    assert!(plain.starts_with("cannot read `data.json.gz`: "), "{plain}");
    let none = dataset::load(&[PathBuf::from("nowhere.json")], DataFormat::Auto);
    assert!(none.expect_err("no file").to_string().starts_with("cannot read `nowhere.json`: "));
    let unset = dataset::load(&[], DataFormat::Auto).expect_err("no path").to_string();
    assert!(unset.starts_with("`data.path` is not set\nhint: "), "{unset}");
}
