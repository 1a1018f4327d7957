//! Events, one a line, as the daemon's log writes them.

use super::style::{Tone, clean};
use crate::event::Quoted;
use crate::proto::event::Kind;
use crate::proto::{BackendEvent, Event, FrontendEvent, LogEvent};

/// The event in a line. In place of a level, what is part of a snapshot has `STATE`.
pub(crate) fn event(event: &Event) -> String {
    let time = event.time.as_ref().and_then(|time| time.time());
    // What is so may be so for days; what happens does so today.
    let is_state = event.snapshot || matches!(event.kind, Some(Kind::SnapshotEnd(_)));
    let format = if is_state { "%Y-%m-%d %H:%M:%S%.3fZ" } else { "%H:%M:%S%.3f" };
    let time = time.map_or_else(|| "--:--:--.---".to_owned(), |time| time.strftime(format).to_string());
    let (level, name, fields) = match &event.kind {
        Some(Kind::Log(LogEvent { level, event, fields })) => {
            let fields = fields.iter().map(|field| (&*field.name, &*field.value)).collect();
            (&**level, &**event, fields)
        }
        Some(Kind::Backend(BackendEvent { name, from, to, code, detail })) => {
            let fields = vec![("backend", &**name), ("from", from), ("to", to), ("code", code), ("detail", detail)];
            ("info", "backend-transition", fields)
        }
        Some(Kind::Frontend(FrontendEvent { name, from, to })) => {
            ("info", "frontend-transition", vec![("frontend", &**name), ("from", from), ("to", to)])
        }
        Some(Kind::Lost(lost)) => {
            let line = format!("{time} WARN  event-drop count={} message=\"a new snapshot follows\"\n", lost.count);
            return Tone::Doubt.paint(line);
        }
        Some(Kind::SnapshotEnd(_)) => ("", "snapshot-end", Vec::new()),
        // A newer server tells more.
        None => ("", "unknown", Vec::new()),
    };
    let name = if event.snapshot { name.replace("-transition", "-state") } else { name.to_owned() };
    let level = if event.snapshot || level.is_empty() { "STATE" } else { level };
    let tone = match level {
        "error" => Tone::Bad,
        "warn" => Tone::Doubt,
        "debug" | "STATE" => Tone::Faint,
        _ => Tone::Plain,
    };
    let mut line = format!(
        "{} {} {}",
        Tone::Faint.paint(time),
        tone.paint(format_args!("{:5}", level.to_uppercase())),
        clean(&name)
    );
    let is_state = |field: &str| name.ends_with("-state") || (name.ends_with("-transition") && field != "detail");
    for (field, value) in fields {
        // What is told has nothing before it.
        if event.snapshot && field == "from" {
            continue;
        }
        let value = match (field, value.parse::<f64>()) {
            ("elapsed", Ok(seconds)) => &*format!("{:.1}ms", seconds * 1e3),
            _ => value,
        };
        let shown = Quoted(value).to_string();
        let tone = if matches!(field, "from" | "to") && is_state(field) { Tone::of_state(value) } else { Tone::Plain };
        line.push_str(&format!(" {}={}", clean(field), tone.paint(clean(&shown))));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{LogField, LostEvents, SnapshotEnd, Timestamp};
    use anstream::adapter::strip_str;

    fn line(snapshot: bool, kind: Kind) -> String {
        let time = Some(Timestamp { seconds: 3_661, nanos: 4_000_000 });
        strip_str(&event(&Event { time, snapshot, kind: Some(kind) })).to_string()
    }

    fn transition(from: &str) -> Kind {
        Kind::Backend(BackendEvent {
            name: "web0".into(),
            from: from.into(),
            to: "down".into(),
            code: "L4CON".into(),
            detail: "connect refused".into(),
        })
    }

    #[test]
    fn an_event_is_a_line_as_in_the_log() {
        assert_eq!(
            line(false, transition("up")),
            "01:01:01.004 INFO  backend-transition backend=web0 from=up to=down code=L4CON detail=\"connect refused\"\n"
        );
        let frontend = FrontendEvent { name: "web-v4".into(), from: "up".into(), to: "down".into() };
        assert_eq!(
            line(false, Kind::Frontend(frontend)),
            "01:01:01.004 INFO  frontend-transition frontend=web-v4 from=up to=down\n"
        );
        let field = LogField { name: "reason".into(), value: "\u{1b}[2J".into() };
        let log = LogEvent { level: "warn".into(), event: "vpp-disconnect".into(), fields: vec![field] };
        assert_eq!(line(false, Kind::Log(log)), "01:01:01.004 WARN  vpp-disconnect reason=\"\\u{1b}[2J\"\n");
    }

    #[test]
    fn how_long_something_took_is_told_in_milliseconds() {
        let field = LogField { name: "elapsed".into(), value: "0.003142".into() };
        let log = LogEvent { level: "debug".into(), event: "vpp-api-recv".into(), fields: vec![field] };
        assert_eq!(line(false, Kind::Log(log)), "01:01:01.004 DEBUG vpp-api-recv elapsed=3.1ms\n");
    }

    #[test]
    fn a_snapshot_and_a_loss_are_marked() {
        assert_eq!(
            line(true, transition("")),
            "1970-01-01 01:01:01.004Z STATE backend-state backend=web0 to=down code=L4CON detail=\"connect refused\"\n"
        );
        assert_eq!(line(true, Kind::SnapshotEnd(SnapshotEnd {})), "1970-01-01 01:01:01.004Z STATE snapshot-end\n");
        assert_eq!(
            line(false, Kind::Lost(LostEvents { count: 7 })),
            "01:01:01.004 WARN  event-drop count=7 message=\"a new snapshot follows\"\n"
        );
    }
}
