//! The same question to both, and whether the answers are the same.

use serde::Serialize;
use vpp_api::error::CallError;
use vpp_api::message::{Dump, Message, Reply, Request};
use vpp_api::messages::lb::{LbAsDump, LbAsV2Dump, LbVipDump};
use vpp_api::messages::vlib::CliInband;
use vpp_api::server::AnyRequest;
use vpp_api::types::{Encap, Text};

use super::{Answers, FIRST_INDEX, Pair};

impl Pair {
    /// Compares all there is to see.
    pub(super) async fn compare_all(&mut self) {
        self.dump(&LbVipDump::all()).await;
        self.dump(&LbAsDump::all()).await;
        if self.has_weights {
            self.dump(&LbAsV2Dump::all()).await;
        }
        for command in ["show lb", "show lb vips", "show lb vips verbose"] {
            self.cli(command).await;
        }
    }

    pub(super) async fn cli(&mut self, command: &str) {
        self.call(&CliInband { cmd: Text::from(command) }).await;
    }

    /// Makes a call of both, and compares.
    pub(super) async fn call<R: Request + Into<AnyRequest>>(&mut self, request: &R)
    where
        R::Reply: Serialize,
    {
        let live = match self.client.call(request).await {
            Ok(reply) => (reply.retval().0, serde_json::to_value(&reply).expect("JSON")),
            Err(CallError::Refused { retval, text, .. }) => {
                (retval.0, text.map_or(serde_json::json!({}), |reply| serde_json::json!({ "reply": reply })))
            }
            Err(error) => panic!("{request:?}: {error:?}"),
        };
        let mut ours = self.ask(request.clone());
        assert_eq!(ours.len(), 1, "one reply to {request:?}");
        let (retval, value) = ours.remove(0);
        // Of a refused call the client shows no fields.
        let value = match value.get("route") {
            Some(_) if retval != 0 => serde_json::json!({}),
            _ => value,
        };
        let (ours, live) = (self.comparable((retval, value), 0), self.comparable(live, self.offset));
        assert!(ours == live, "{request:?}:\n{}", difference(&ours, &live));
    }

    pub(super) async fn dump<D: Dump + Into<AnyRequest>>(&mut self, request: &D)
    where
        D::Details: Serialize,
    {
        let live = self.client.dump(request).await.expect("a dump");
        let live: Vec<_> = live.iter().map(|details| (0, serde_json::to_value(details).expect("JSON"))).collect();
        let ours = self.ask(request.clone());
        let comparable =
            |rows: Vec<_>, offset| rows.into_iter().map(|row| self.comparable(row, offset)).collect::<Vec<_>>();
        let (ours, live) = (comparable(ours, 0), comparable(live, self.offset));
        assert_eq!(ours.len(), live.len(), "{request:?}");
        for (ours, live) in ours.iter().zip(&live) {
            assert!(ours == live, "{request:?}:\n{}", difference(ours, live));
        }
    }

    fn ask(&mut self, request: impl Into<AnyRequest>) -> Vec<(i32, serde_json::Value)> {
        let incoming = vpp_api::server::Incoming { context: 1, client_index: 1, request: request.into() };
        let mut answers = Values::default();
        let now = self.now();
        self.ours.handle(now, &incoming, None, &mut answers).expect("VPP survives");
        // A new route begins at 0, also in a row that was another's.
        for row in self.ours.fib.take_fresh() {
            self.to.remove(&row);
            self.via.remove(&row);
        }
        answers.0
    }

    /// An answer without what depends on the machine: indices are shifted, times of removal and paths left out.
    fn comparable(&self, (retval, mut value): (i32, serde_json::Value), offset: i64) -> (i32, serde_json::Value) {
        // Fields that an encapsulation does not use show what an earlier VIP left there, in memory that VPP does not clear.
        let encap = value.get("encap").and_then(|encap| encap.as_u64()).map(|number| Encap::from(number as u32));
        let unused: &[&str] = match encap.map(|encap| self.quirks.details_encap(encap)) {
            Some(Encap::L3dsr) => &["target_port"],
            Some(Encap::Nat4 | Encap::Nat6) => &[],
            _ => &["dscp", "srv_type", "target_port"],
        };
        for field in unused.iter().chain(&["in_use_since"]) {
            value.as_object_mut().and_then(|fields| fields.remove(*field));
        }
        if let Some(route) = value.get_mut("route") {
            let index = route["stats_index"].as_i64().unwrap_or(0) - offset;
            // Below are VPP's own routes, which ours numbers otherwise.
            route["stats_index"] = index.max(FIRST_INDEX - 1).into();
            route.as_object_mut().and_then(|route| route.remove("paths"));
        }
        if let Some(text) = value.get("reply").and_then(|reply| reply.as_str()) {
            value["reply"] = shifted(text, offset).into();
        }
        (retval, value)
    }
}

/// Where two answers part: a few lines before, and the first that differs.
fn difference(ours: &(i32, serde_json::Value), live: &(i32, serde_json::Value)) -> String {
    let lines = |answer: &(i32, serde_json::Value)| -> Vec<String> {
        let text = answer.1.get("reply").and_then(|reply| reply.as_str());
        let text = text.map_or_else(|| answer.1.to_string(), str::to_owned);
        std::iter::once(format!("retval {}", answer.0)).chain(text.lines().map(str::to_owned)).collect()
    };
    let (ours, live) = (lines(ours), lines(live));
    let same = ours.iter().zip(&live).take_while(|(ours, live)| ours == live).count();
    let line = |lines: &[String]| lines.get(same).cloned().unwrap_or_else(|| "(end)".to_owned());
    let before = ours[same.saturating_sub(12)..same].join("\n");
    format!("{before}\nours: {}\nlive: {}", line(&ours), line(&live))
}

/// The text with `dpo:` numbers that much lower.
fn shifted(text: &str, offset: i64) -> String {
    let mut parts = text.split("dpo:");
    let mut shifted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(' ').unwrap_or(part.len());
        let number: i64 = part[..end].parse().expect("a number");
        shifted.push_str(&format!("dpo:{}{}", number - offset, &part[end..]));
    }
    shifted
}

/// Answers as JSON.
#[derive(Default)]
struct Values(Vec<(i32, serde_json::Value)>);

impl Answers for Values {
    fn send<M: Message + Serialize>(&mut self, message: &M) {
        let retval = message.status().map_or(0, |retval| retval.0);
        self.0.push((retval, serde_json::to_value(message).expect("JSON")));
    }
}
