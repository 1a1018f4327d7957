//! Plans, in the style of a diff.

use jiff::Timestamp as Time;

use super::style::{Tone, age, clean, count, digits, percent, vip};
use super::table::{Cell, Table, cell};
use crate::proto::{AsPlan, VipForm, VipPlan, VpplbPlan};

/// What would change, VIP by VIP; what differs and stays; and what it comes to.
pub(crate) fn plan(plan: &VpplbPlan, now: Time) -> String {
    let mut text = String::new();
    if !plan.conf.is_empty() {
        text.push_str(&format!("{}\n\n", Tone::Doubt.paint(format!("~ settings  {}", clean(&plan.conf)))));
    }
    vips(&plan.vips, &mut text);
    if !plan.later.is_empty() {
        text.push_str("once new backends are up:\n\n");
        vips(&plan.later, &mut text);
    }
    for note in &plan.notes {
        text.push_str(&format!("note: {}\n", clean(note)));
    }
    if !plan.notes.is_empty() {
        text.push('\n');
    }
    if plan.has_changes && !matches!(&*plan.warm_up, "done" | "") {
        text.push_str(&format!("the warm-up is not over ({}): some of it waits\n", clean(&plan.warm_up)));
    }
    text.push_str(&summary(plan, now));
    text
}

fn vips(vips: &[VipPlan], text: &mut String) {
    // One table for all, so that columns are aligned from VIP to VIP.
    let mut ases = Table::bare([false, false, false, false, true, false]);
    let weights = vips.iter().flat_map(|vip| &vip.ases).flat_map(|of| [of.weight_before, of.weight_after]);
    let width = weights.flatten().map(digits).max().unwrap_or(0);
    let counts: Vec<usize> = vips.iter().map(|vip| servers(vip, width, &mut ases)).collect();
    let mut lines = ases.lines().into_iter();
    for (vip, count) in vips.iter().zip(counts) {
        text.push_str(&format!("{}\n", heading(vip)));
        for line in lines.by_ref().take(count) {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(&format!("    {}\n", moves(vip)));
        if !vip.waits.is_empty() {
            text.push_str(&format!("    {}\n", Tone::Doubt.paint(format!("waits: {}", clean(&vip.waits)))));
        }
        text.push('\n');
    }
}

fn heading(of: &VipPlan) -> String {
    let name = if of.frontend.is_empty() { "foreign" } else { &of.frontend };
    let vip = format!("{}  {}", vip(&of.prefix, &of.protocol, of.port), clean(name));
    let form = |form: &Option<VipForm>| form.as_ref().map(in_words).unwrap_or_default();
    match &*of.action {
        "create" => Tone::Good.paint(format!("+ {vip}  new: {}", form(&of.after))),
        "remove" => Tone::Bad.paint(format!("- {vip}  removed")),
        "recreate" => {
            let (before, after) = (form(&of.before), form(&of.after));
            let flows = if cuts_nothing(of) { "no flows to cut" } else { "which cuts its flows" };
            Tone::Bad.paint(format!("~ {vip}  made anew, {flows}: {before} -> {after}"))
        }
        "flush" => Tone::Doubt.paint(format!("~ {vip}  only flows are cut")),
        _ => Tone::Doubt.paint(format!("~ {vip}")),
    }
}

/// Every server was asked and has no flow.
fn cuts_nothing(vip: &VipPlan) -> bool {
    let mut cut = vip.ases.iter().filter(|of| of.flush).peekable();
    cut.peek().is_some() && cut.all(|of| of.flows == Some(0))
}

fn in_words(form: &VipForm) -> String {
    let table = form.table_length.map_or_else(|| "table unknown".to_owned(), |length| format!("table {length}"));
    let sticky = if form.src_ip_sticky == Some(true) { ", by source address" } else { "" };
    format!("{}, {table}{sticky}", clean(&form.encap))
}

/// Adds a VIP's servers to the table, weights `width` digits wide. Returns how many lines those are.
fn servers(vip: &VipPlan, width: usize, table: &mut Table) -> usize {
    let mut lines = 0;
    let mut line = |sign: &str, of: &AsPlan, weight: u32, buckets: String, what: String| {
        let tone = match sign {
            "+" => Tone::Good,
            "-" => Tone::Bad,
            _ => Tone::Plain,
        };
        let name = if of.backend.is_empty() { "foreign" } else { &of.backend };
        let cells: [Cell; 6] = [
            cell(sign),
            cell(&of.address),
            name.into(),
            cell(format_args!("weight {weight:>width$}")),
            cell(buckets),
            cell(what),
        ];
        table.row(cells.map(|cell| cell.tone(tone)));
        lines += 1;
    };
    for of in &vip.ases {
        let [before, after] = [of.buckets_before, of.buckets_after].map(|buckets| count(buckets.into(), "bucket"));
        match (of.weight_before, of.weight_after) {
            (Some(weight), Some(same)) if weight == same => {
                let buckets = if before == after { before } else { format!("{} -> {after}", of.buckets_before) };
                line(if of.flush { "~" } else { "" }, of, weight, buckets, fate(of));
            }
            (weight_before, weight_after) => {
                let gone = weight_after.is_none();
                if let Some(weight) = weight_before {
                    line("-", of, weight, before, if gone { fate(of) } else { String::new() });
                }
                if let Some(weight) = weight_after {
                    line("+", of, weight, after, fate(of));
                }
            }
        }
    }
    lines
}

/// What becomes of a server's flows.
fn fate(of: &AsPlan) -> String {
    match (of.flush, of.flows) {
        (true, Some(0)) => "no flows to cut".to_owned(),
        (true, Some(flows)) => format!("flows cut, at most {flows}"),
        (true, None) => "flows cut".to_owned(),
        (false, _) if of.weight_after.is_none() => "flows stay until they end".to_owned(),
        (false, _) => String::new(),
    }
}

fn moves(vip: &VipPlan) -> String {
    match (vip.moved_buckets, vip.table_length) {
        (_, 0) => "what moves is not known: the length of the table is not".to_owned(),
        (0, _) => "moves no new flows".to_owned(),
        (moved, table) => format!(
            "moves {} of new flows ({moved} of {})",
            percent(moved.into(), table.into()),
            count(table.into(), "bucket")
        ),
    }
}

fn summary(plan: &VpplbPlan, now: Time) -> String {
    let unchanged = u64::from(plan.unchanged);
    if !plan.has_changes {
        return format!("{}\n", Tone::Good.paint(format!("nothing to do: {} as wanted", count(unchanged, "VIP"))));
    }
    let changed = plan.vips.len();
    let sum = |of: fn(&VipPlan) -> u32| plan.vips.iter().map(|vip| u64::from(of(vip))).sum::<u64>();
    let (moved, buckets) = (sum(|vip| vip.moved_buckets), sum(|vip| vip.table_length));
    let (noun, ending, whose) = if changed == 1 { ("VIP", "s", "its") } else { ("VIPs", "", "their") };
    let mut text = format!("{changed} {noun} change{ending}");
    if buckets > 0 {
        text.push_str(&format!(" and move{ending} {} of {whose} new flows", percent(moved, buckets)));
    }
    if !plan.later.is_empty() {
        text.push_str(&format!("; {} later", plan.later.len()));
    }
    text.push_str(&format!("; {unchanged} need nothing"));
    if let Some(flows) = plan.flushed_flows.filter(|flows| *flows > 0) {
        let read = plan.flows_read.as_ref().map(|read| format!(" (read {} ago)", age(Some(read), now)));
        text.push_str(&format!("; at most {} cut{}", count(flows, "flow"), read.unwrap_or_default()));
    }
    let more = Tone::Faint.paint("-o json lists the calls in order");
    format!("{}\n{more}\n", Tone::Strong.paint(text))
}

#[cfg(test)]
mod tests {
    use super::super::frontend::tests::{ago, now};
    use super::*;
    use anstream::adapter::strip_str;

    fn server(address: &str, backend: &str, weights: (Option<u32>, Option<u32>), buckets: (u32, u32)) -> AsPlan {
        AsPlan {
            address: address.into(),
            backend: backend.into(),
            weight_before: weights.0,
            weight_after: weights.1,
            buckets_before: buckets.0,
            buckets_after: buckets.1,
            flush: false,
            flows: None,
        }
    }

    fn form(table_length: u32) -> Option<VipForm> {
        Some(VipForm { encap: "gre4".into(), src_ip_sticky: Some(false), table_length: Some(table_length) })
    }

    fn change() -> VipPlan {
        let mut gone = server("10.0.0.9", "old", (Some(100), None), (256, 0));
        gone.flush = true;
        gone.flows = Some(120);
        VipPlan {
            prefix: "192.0.2.1".into(),
            protocol: "tcp".into(),
            port: 80,
            frontend: "web-v4".into(),
            action: "change".into(),
            before: form(1_024),
            after: form(1_024),
            ases: vec![
                server("10.0.0.1", "nginx0", (Some(100), Some(50)), (512, 341)),
                server("10.0.0.2", "nginx1", (Some(100), Some(100)), (256, 683)),
                gone,
            ],
            moved_buckets: 427,
            table_length: 1_024,
            moved_share: 0.417,
            ..Default::default()
        }
    }

    #[test]
    fn a_plan_is_a_diff_with_what_moves_and_a_summary() {
        let new = VipPlan {
            prefix: "2001:db8::1".into(),
            protocol: "any".into(),
            port: 0,
            frontend: "dns".into(),
            action: "create".into(),
            before: None,
            after: form(4_096),
            ases: vec![server("10.0.0.3", "ns0", (None, Some(100)), (0, 4_096))],
            moved_buckets: 4_096,
            table_length: 4_096,
            waits: "the warm-up has not released it".into(),
            ..Default::default()
        };
        let anew =
            VipPlan { action: "recreate".into(), after: form(65_536), ases: Vec::new(), table_length: 0, ..change() };
        let removed = VipPlan {
            prefix: "192.0.2.9".into(),
            frontend: String::new(),
            action: "remove".into(),
            ases: vec![server("10.9.9.9", "", (Some(1), None), (1_024, 0))],
            moved_buckets: 1_024,
            ..change()
        };
        let all = VpplbPlan {
            has_changes: true,
            conf: "flow time-out 40 s -> 60 s".into(),
            vips: vec![change(), new, anew, removed],
            later: vec![VipPlan {
                ases: vec![server("10.0.0.4", "nginx2", (Some(0), Some(100)), (0, 341))],
                moved_buckets: 0,
                ..change()
            }],
            unchanged: 997,
            notes: vec!["web-v6: the table has 1024 buckets, 4096 are wanted".into()],
            flushed_flows: Some(120),
            flows_read: ago(3),
            warm_up: "releasing".into(),
        };
        insta::assert_snapshot!(strip_str(&plan(&all, now())), @r"
        ~ settings  flow time-out 40 s -> 60 s

        ~ 192.0.2.1 tcp/80  web-v4
        -  10.0.0.1  nginx0   weight 100         512 buckets
        +  10.0.0.1  nginx0   weight  50         341 buckets
           10.0.0.2  nginx1   weight 100  256 -> 683 buckets
        -  10.0.0.9  old      weight 100         256 buckets  flows cut, at most 120
            moves 41.7 % of new flows (427 of 1024 buckets)

        + 2001:db8::1 any  dns  new: gre4, table 4096
        +  10.0.0.3  ns0      weight 100        4096 buckets
            moves 100.0 % of new flows (4096 of 4096 buckets)
            waits: the warm-up has not released it

        ~ 192.0.2.1 tcp/80  web-v4  made anew, which cuts its flows: gre4, table 1024 -> gre4, table 65536
            what moves is not known: the length of the table is not

        - 192.0.2.9 tcp/80  foreign  removed
        -  10.9.9.9  foreign  weight   1        1024 buckets  flows stay until they end
            moves 100.0 % of new flows (1024 of 1024 buckets)

        once new backends are up:

        ~ 192.0.2.1 tcp/80  web-v4
        -  10.0.0.4  nginx2  weight   0    0 buckets
        +  10.0.0.4  nginx2  weight 100  341 buckets
            moves no new flows

        note: web-v6: the table has 1024 buckets, 4096 are wanted

        the warm-up is not over (releasing): some of it waits
        4 VIPs change and move 97.2 % of their new flows; 1 later; 997 need nothing; at most 120 flows cut (read 3s ago)
        -o json lists the calls in order
        ");
    }

    #[test]
    fn what_has_no_flows_has_none_to_cut() {
        let mut idle = change();
        idle.action = "recreate".into();
        idle.ases.retain(|of| of.flush);
        idle.ases[0].flows = Some(0);
        let one = VpplbPlan { has_changes: true, vips: vec![idle], ..Default::default() };
        let text = strip_str(&plan(&one, now())).to_string();
        assert!(text.contains("made anew, no flows to cut: ") && !text.contains("at most"), "{text}");
        assert!(text.contains("\n1 VIP changes and moves 41.7 % of its new flows; 0 need nothing\n"), "{text}");
    }

    #[test]
    fn a_plan_without_changes_says_so() {
        let none = VpplbPlan { unchanged: 1_000, warm_up: "done".into(), ..Default::default() };
        assert_eq!(strip_str(&plan(&none, now())).to_string(), "nothing to do: 1000 VIPs as wanted\n");
    }

    #[test]
    fn signs_have_the_colours_of_a_diff() {
        let one = VpplbPlan { has_changes: true, vips: vec![change()], ..Default::default() };
        let text = plan(&one, now());
        for (line, color) in [("~ 192.0.2.1", 33), ("nginx0", 31), ("nginx0", 32), ("old", 31)] {
            let styled = text.lines().any(|text| text.contains(line) && text.contains(&format!("\u{1b}[{color}m")));
            let indexed = format!("\u{1b}[38;5;{}m", color - 30);
            let styled = styled || text.lines().any(|text| text.contains(line) && text.contains(&indexed));
            assert!(styled, "{line} is not in colour {color}: {text:?}");
        }
    }
}
