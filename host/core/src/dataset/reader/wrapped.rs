//! One object that holds all rows: in a list under some name, as columns, or by key, as pandas, the
//! hub's viewer and programs of people's own write them. Or it is a row itself.

use super::super::format::DataFormat;
use super::Visit;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Visits the rows of an object that is all there is in a file; what is to be said of it.
///
/// # Errors
/// Several lists of rows, of which none is for training by its name.
pub(super) fn visit(object: Object, place: &str, visit: Visit<'_>) -> Result<Vec<String>, String> {
    let visit_all = |rows: Vec<Value>, visit: Visit<'_>| {
        for (number, row) in rows.into_iter().enumerate() {
            visit(&format!("row {number}"), Ok(row));
        }
    };
    if let Some(rows) = columns(&object) {
        visit_all(rows, visit);
        return Ok(vec!["it holds columns, which are read as rows".into()]);
    }
    if DataFormat::detect(&object).is_ok() {
        visit(place, Ok(Value::Object(object)));
        return Ok(Vec::new());
    }
    if let Some(rows) = split(&object) {
        visit_all(rows, visit);
        return Ok(Vec::new());
    }
    let lists: Vec<&str> =
        object.iter().filter(|(_, value)| is_rows(value)).map(|(name, _)| name.as_str()).collect();
    let chosen = match lists[..] {
        [] => None,
        [one] => Some(one.to_owned()),
        _ if lists.contains(&"train") => Some("train".to_owned()),
        _ => {
            return Err(format!(
                "`{}` are lists of rows, expected one, or one that is called `train`\n\
                 hint: put the rows to train on into a file of their own",
                lists.join("`, `")
            ));
        }
    };
    match chosen {
        Some(name) => {
            let rest: Vec<String> =
                object.keys().filter(|key| **key != name).map(|key| format!("`{key}`")).collect();
            let rest = match rest.is_empty() {
                true => String::new(),
                false => format!("; {} left out", rest.join(", ")),
            };
            let list = object.into_iter().find(|(key, _)| *key == name).map(|(_, list)| list);
            let Some(Value::Array(rows)) = list else { unreachable!("`name` is a list of it") };
            visit_all(rows.into_iter().map(of_the_viewer).collect(), visit);
            Ok(vec![format!("the rows are those of its field `{name}`{rest}")])
        }
        None if !object.is_empty() && object.values().all(Value::is_object) => {
            visit_all(object.into_iter().map(|(_, row)| row).collect(), visit);
            Ok(vec!["it holds rows by key, which are read in their order".into()])
        }
        None => {
            visit(place, Ok(Value::Object(object)));
            Ok(Vec::new())
        }
    }
}

fn is_rows(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(Value::is_object))
}

/// `{"row_idx": 0, "row": {…}}`, as the hub's viewer gives rows out.
fn of_the_viewer(row: Value) -> Value {
    match row {
        Value::Object(mut fields)
            if fields.contains_key("row_idx")
                && fields.get("row").is_some_and(Value::is_object) =>
        {
            fields.shift_remove("row").expect("it is there")
        }
        row => row,
    }
}

/// `{"instruction": ["…", …], "output": ["…", …]}`, or `{"0": …, "1": …}` in place of the lists, as
/// pandas writes a frame.
fn columns(object: &Object) -> Option<Vec<Value>> {
    let columns: Vec<(&String, Vec<&Value>)> = object
        .iter()
        .filter(|(_, column)| !column.is_null())
        .map(|(name, column)| Some((name, cells(column)?)))
        .collect::<Option<_>>()?;
    let num_rows = columns.first()?.1.len();
    let is_even = columns.iter().all(|(_, cells)| cells.len() == num_rows);
    let row = |number: usize| -> Object {
        columns.iter().map(|(name, cells)| ((*name).clone(), cells[number].clone())).collect()
    };
    // The turns of a lone conversation are a list as well; as rows they would have no layout.
    (num_rows > 0 && is_even && DataFormat::detect(&row(0)).is_ok() && !is_turns(&row(0)))
        .then(|| (0..num_rows).map(|number| Value::Object(row(number))).collect())
}

/// Whether some field that should hold a list of turns holds one turn.
fn is_turns(row: &Object) -> bool {
    row.values().any(|value| {
        value
            .as_object()
            .is_some_and(|turn| ["role", "from"].iter().any(|it| turn.contains_key(*it)))
    })
}

fn cells(column: &Value) -> Option<Vec<&Value>> {
    match column {
        Value::Array(cells) => Some(cells.iter().collect()),
        Value::Object(cells) if cells.keys().all(|key| key.parse::<u64>().is_ok()) => {
            Some(cells.values().collect())
        }
        _ => None,
    }
}

/// pandas' `orient="split"`: `{"columns": ["instruction", …], "data": [["…", …], …]}`.
fn split(object: &Object) -> Option<Vec<Value>> {
    let names: Vec<&str> =
        object.get("columns")?.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let row = |cells: &Value| {
        let cells = cells.as_array().filter(|cells| cells.len() == names.len())?;
        let fields = names.iter().map(|name| (*name).to_owned()).zip(cells.iter().cloned());
        Some(Value::Object(fields.collect()))
    };
    object.get("data")?.as_array()?.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(object: &str, expected: &[&str]) {
        let mut rows = Vec::new();
        let object = serde_json::from_str(object).unwrap();
        let notes = visit(object, "here", &mut |place, row| {
            rows.push(format!("{place}: {}", row.unwrap()));
        });
        rows.extend(notes.unwrap_or_else(|error| vec![error]));
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_are_found_in_what_holds_them() {
        let (a, b) = (r#"{"prompt":"a","response":"b"}"#, r#"{"prompt":"c","response":"d"}"#);
        let rows = [format!("row 0: {a}"), format!("row 1: {b}")];
        let with = |note: &str| [rows[0].clone(), rows[1].clone(), note.to_owned()];
        let check = |object: String, expected: &[String]| {
            check(&object, &expected.iter().map(String::as_str).collect::<Vec<_>>());
        };
        check(a.to_owned(), &[format!("here: {a}")]);
        check(format!(r#"{{"data":[{a},{b}]}}"#), &with("the rows are those of its field `data`"));
        check(
            format!(r#"{{"version":1,"train":[{a},{b}],"test":[{b}]}}"#),
            &with("the rows are those of its field `train`; `version`, `test` left out"),
        );
        check(
            format!(r#"{{"rows":[{{"row_idx":0,"row":{a}}},{{"row_idx":1,"row":{b}}}]}}"#),
            &with("the rows are those of its field `rows`"),
        );
        let columns = "it holds columns, which are read as rows";
        check(r#"{"prompt":["a","c"],"response":["b","d"]}"#.into(), &with(columns));
        check(
            r#"{"prompt":{"0":"a","1":"c"},"response":{"0":"b","1":"d"}}"#.into(),
            &with(columns),
        );
        check(
            r#"{"columns":["prompt","response"],"index":[0,1],"data":[["a","b"],["c","d"]]}"#
                .into(),
            &rows,
        );
        check(
            format!(r#"{{"x":{a},"y":{b}}}"#),
            &with("it holds rows by key, which are read in their order"),
        );
        let messages = r#"{"messages":[{"role":"user","content":"a"}]}"#;
        check(messages.into(), &[format!("here: {messages}")]);
        check(
            r#"{"a":[{"x":1}],"b":[{"x":1}]}"#.into(),
            &["`a`, `b` are lists of rows, expected one, or one that is called `train`\n\
             hint: put the rows to train on into a file of their own"
                .into()],
        );
    }
}
