//! What is sent is what comes back: each sort of value, in each of the ways in.

use super::*;

/// A table with a column for each sort of value, and what its columns are called.
const TABLE: &str = "CREATE TABLE things (number bigint, real double precision, truth boolean, words text, \
    doc jsonb, raw json, bytes bytea, at timestamptz, day date)";
const COLUMNS: [(&str, &str); 9] = [
    ("number", "bigint"),
    ("real", "double precision"),
    ("truth", "boolean"),
    ("words", "text"),
    ("doc", "jsonb"),
    ("raw", "json"),
    ("bytes", "bytea"),
    ("at", "timestamptz"),
    ("day", "date"),
];
const READ: &str = "SELECT number, real, truth, words, doc, raw, bytes, at, day FROM things ORDER BY number";

/// Rows that are easily mangled on the way, by number.
fn odd_rows() -> Vec<Vec<Cell<'static>>> {
    let odd = "it's \"quoted\" \\ \\\\ \\n\ttab\nline\r\r\n{curly,NULL} é 🦀 $1 ?1 \u{1}\u{7f} \\. \\N";
    let row = |number: i64, real: f64, truth: i64, words: &str, bytes: &[u8], at: &str, day: &str| {
        vec![
            Cell::Integer(number),
            Cell::Real(real),
            Cell::Integer(truth),
            text(words),
            text(r#"{"a": "it's \"q\" \\ {,}", "b": [1, null]}"#),
            text(r#"{ "z":1.50 , "a":"\u0000 \n" }"#),
            Cell::Bytes(bytes.to_vec().into()),
            text(at),
            text(day),
        ]
    };
    let all_bytes: Vec<u8> = (0..=255).collect();
    vec![
        row(i64::MIN, 1e300, 1, odd, &all_bytes, "2026-03-01T12:00:00.000Z", "2027-03-31"),
        row(-1, -0.0, 0, "", b"", "1970-01-01T00:00:00.001Z", "1970-01-01"),
        row(0, 0.1, 1, "NULL", b"\\x", "1999-12-31T23:59:59.999Z", "1999-12-31"),
        row(1, 5e-324, 0, "\\N", b"\0", "2000-01-01T00:00:00.000Z", "2000-01-01"),
        row(
            2,
            f64::MAX,
            1,
            &"lang und breit ü\n".repeat(12_000),
            &[7; 100_000],
            "2026-12-31T00:00:00.500Z",
            "0001-01-01",
        ),
        row(3, f64::NEG_INFINITY, 1, " ", b" ", "9999-12-31T23:59:59.999Z", "9999-12-31"),
        [vec![Cell::Integer(i64::MAX)], vec![Cell::Null; 8]].concat(),
    ]
}

/// Compares as texts, for NaN and -0.0 are to count as what they are.
#[track_caller]
fn check(db: &Postgres, expected: &[Vec<Cell<'_>>]) {
    let found = db.read("read it", |sql| sql.query(READ, &[])).unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
}

#[test]
fn every_sort_of_value_comes_back_as_it_was_sent() {
    let (_database, db) = fresh();
    let insert = "INSERT INTO things VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    db.write("write it", |sql| {
        sql.batch(TABLE)?;
        odd_rows().iter().try_for_each(|row| sql.execute(insert, row).map(|count| assert_eq!(count, 1)))
    })
    .unwrap();
    check(&db, &odd_rows());
}

#[test]
fn a_copy_brings_every_sort_of_value() {
    let (_database, db) = fresh();
    let names = COLUMNS.map(|(name, _)| name);
    let count = db.write("copy it", |sql| {
        sql.batch(TABLE)?;
        sql.copy_in("things", &names, &mut odd_rows().into_iter().map(Ok))
    });
    assert_eq!(count.unwrap(), 7);
    check(&db, &odd_rows());
}

#[test]
fn a_set_of_rows_brings_every_sort_of_value() {
    let (_database, db) = fresh();
    let (written, read) = db
        .write("write it", |sql| {
            sql.batch(TABLE)?;
            let written = sql.execute_rows("INSERT INTO things SELECT * FROM rows", &COLUMNS, &odd_rows())?;
            Ok((written, sql.query_rows("SELECT truth FROM rows ORDER BY number", &COLUMNS, &odd_rows())?))
        })
        .unwrap();
    assert_eq!(written, 7);
    assert_eq!(read.len(), 7);
    assert_eq!(read[0], [Cell::Integer(1)]);
    check(&db, &odd_rows());
}

#[test]
fn a_set_updates_and_removes_rows_too() {
    let (database, db) = fresh();
    let rows = [[1, 10], [2, 20]].map(|row| row.map(Cell::Integer).to_vec());
    let columns = [("id", "bigint"), ("points", "bigint")];
    db.write("write it", |sql| {
        sql.batch("CREATE TABLE t (id bigint, points bigint); INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)")?;
        let update = "UPDATE t SET points = rows.points FROM rows WHERE t.id = rows.id";
        assert_eq!(sql.execute_rows(update, &columns, &rows)?, 2);
        let delete = "WITH gone AS (SELECT id FROM rows WHERE points > 10) \
            DELETE FROM t USING gone WHERE t.id = gone.id RETURNING t.id";
        assert_eq!(sql.query_rows(delete, &columns, &rows)?, [[Cell::Integer(2)]]);
        assert_eq!(sql.execute_rows(update, &columns, &[])?, 0);
        Ok(())
    })
    .unwrap();
    assert_eq!(database.psql("SELECT * FROM t ORDER BY id"), "1|10\n3|0");
}

#[test]
fn numbers_of_every_type_are_read_exactly() {
    let (_database, db) = fresh();
    for (expression, expected) in [
        ("12::smallint", Cell::Integer(12)),
        ("-7::integer", Cell::Integer(-7)),
        ("0.5::real", Cell::Real(0.5)),
        ("0::numeric", Cell::Real(0.0)),
        ("0.1::numeric", Cell::Real(0.1)),
        ("-12345.678::numeric", Cell::Real(-12345.678)),
        ("0.00001234::numeric", Cell::Real(0.000_012_34)),
        ("100000000::numeric", Cell::Real(1e8)),
        ("1e40::numeric", Cell::Real(1e40)),
        ("9007199254740993::numeric", Cell::Real(9_007_199_254_740_993_u64 as f64)),
        ("'Infinity'::numeric", Cell::Real(f64::INFINITY)),
        ("1.5000::numeric(10, 4)", Cell::Real(1.5)),
        ("'ab'::char(4)", text("ab  ")),
        ("'x'::varchar", text("x")),
        ("'x'::name", text("x")),
        ("NULL", Cell::Null),
        ("'2026-03-01 12:00:00.0004+02'::timestamptz", text("2026-03-01T10:00:00.000Z")),
        ("'2026-03-01 12:00:00.0006+02'::timestamptz", text("2026-03-01T10:00:00.001Z")),
    ] {
        let found = db.read("read it", |sql| sql.query(&format!("SELECT {expression}"), &[])).unwrap();
        assert_eq!(found, [[expected]], "{expression}");
    }
    let nan = db.read("read it", |sql| sql.query("SELECT 'NaN'::numeric", &[])).unwrap();
    assert!(matches!(nan[0][0], Cell::Real(number) if number.is_nan()));
}

#[test]
fn a_type_that_nobody_reads_is_named_with_its_column() {
    let (_database, db) = fresh();
    let said = refusal(&db, |sql| sql.query("SELECT 1 AS fine, interval '1 day' AS pause", &[]).map(drop));
    assert!(said.contains("column pause of type interval is of a type"), "{said}");
    let said = refusal(&db, |sql| sql.query("SELECT 'infinity'::timestamptz AS at", &[]).map(drop));
    assert!(said.contains("column at of type timestamptz is no instant"), "{said}");
}

#[test]
fn a_text_with_a_null_character_is_refused_on_every_way_in() {
    let (_database, db) = fresh();
    let (odd, columns) = (|| vec![text("a\0b")], [("words", "text")]);
    db.write("make it", |sql| sql.batch("CREATE TABLE t (words text)")).unwrap();
    for said in [
        refusal(&db, |sql| sql.execute("INSERT INTO t VALUES (?1)", &odd()).map(drop)),
        refusal(&db, |sql| {
            sql.execute_rows("INSERT INTO t SELECT * FROM rows", &columns, &[odd()]).map(drop)
        }),
        refusal(&db, |sql| sql.copy_in("t", &["words"], &mut std::iter::once(Ok(odd()))).map(drop)),
    ] {
        assert!(said.contains("U+0000, which PostgreSQL cannot store"), "{said}");
    }
}

#[test]
fn placeholders_in_quotes_are_left_alone() {
    let (_database, db) = fresh();
    let statement = "SELECT '?1' || ?2, ?1 AS \"?1\" -- ?3";
    let values = [Cell::Integer(5), text("!")];
    let found = db.read("read it", |sql| sql.query(&statement.replace("?1 AS", "?1::bigint AS"), &values));
    assert_eq!(found.unwrap(), [[text("?1!"), Cell::Integer(5)]]);
}

#[test]
fn rows_are_handed_over_as_they_come_and_can_be_broken_off() {
    let (_database, db) = fresh();
    let numbers = "SELECT n FROM generate_series(1, 200000) n";
    let mut sum = 0;
    let said = db.read("read it", |sql| {
        sum = 0;
        sql.stream(numbers, &[], &mut |row| {
            if let [Cell::Integer(number)] = row[..] {
                sum += number;
            }
            Ok(())
        })?;
        let stopped = sql.stream(numbers, &[], &mut |row| match row[..] {
            [Cell::Integer(1000)] => Err("enough".into()),
            _ => Ok(()),
        });
        assert_eq!(stopped.unwrap_err().to_string(), "enough");
        let nested = sql.stream(numbers, &[], &mut |_| sql.query("SELECT 1", &[]).map(drop));
        let said = nested.unwrap_err().to_string();
        assert_eq!(sql.query("SELECT 1", &[])?, [[Cell::Integer(1)]]);
        Ok(said)
    });
    assert_eq!(sum, 200_000 * 200_001 / 2);
    assert_eq!(said.unwrap(), "a statement was begun while the rows of another were read");
}

#[test]
fn a_copy_of_many_rows_is_whole_or_not_there() {
    let (database, db) = fresh();
    db.write("make it", |sql| sql.batch("CREATE TABLE t (id bigint PRIMARY KEY, words text)")).unwrap();
    let rows = |last: Result<Vec<Cell<'static>>, Fault>| {
        (0..20_000).map(|id| Ok(vec![Cell::Integer(id), text("some words\tof a row")])).chain([last])
    };
    let copy = |last: fn() -> Result<Vec<Cell<'static>>, Fault>| {
        db.write("copy it", |sql| sql.copy_in("t", &["id", "words"], &mut rows(last())))
    };
    let broken = told(&copy(|| Err("the spool broke".into())).unwrap_err());
    assert!(broken.ends_with("the spool broke"), "{broken}");
    let twice = told(&copy(|| Ok(vec![Cell::Integer(5), Cell::Null])).unwrap_err());
    assert!(twice.contains("t_pkey") && twice.ends_with("(SQLSTATE 23505)"), "{twice}");
    let passed_over = refusal(&db, |sql| {
        let _ = sql.copy_in("t", &["id"], &mut std::iter::once(Err("the spool broke".into())));
        Ok(())
    });
    assert!(passed_over.ends_with("a statement in it had failed"), "{passed_over}");
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
    assert_eq!(copy(|| Ok(vec![Cell::Integer(-1), Cell::Null])).unwrap(), 20_001);
    assert_eq!(database.psql("SELECT count(*), min(id) FROM t"), "20001|-1");
}

#[test]
fn more_statements_than_are_kept_are_prepared_again() {
    let (_database, db) = fresh();
    db.read("read it", |sql| {
        for round in 0..2 {
            for number in 0..300 {
                let found = sql.query(&format!("SELECT {number}::bigint + ?1"), &[Cell::Integer(round)])?;
                assert_eq!(found, [[Cell::Integer(number + round)]]);
            }
        }
        let kept = sql.query("SELECT count(*) FROM pg_prepared_statements", &[])?;
        assert!(matches!(kept[0][0], Cell::Integer(100..=130)), "{kept:?}");
        Ok(())
    })
    .unwrap();
}
