//! Handling of API messages, and of the faults that meet them.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use vpp_api::messages::memclnt::{
    GetApiJsonReply, GetFirstMsgId, GetFirstMsgIdReply, MessageTableEntry, SockclntCreateReply, SockclntDelete,
    SockclntDeleteReply,
};
use vpp_api::server::{AnyRequest, Incoming};
use vpp_api::types::{Counted, FixedString, Retval, Text};

use super::MainLoop;
use super::clients::{Replies, break_frame};
use super::process::unix_time;
use crate::faults::Action;
use crate::vpp::Answers as _;

/// A request on its way, and what goes wrong with it.
#[derive(Debug)]
pub(super) struct Held {
    slot: u32,
    incoming: Incoming,
    actions: Vec<Action>,
    /// Length of the client's output before its session said anything to this.
    output: usize,
    /// When a delay is over.
    pub(super) until: Instant,
}

impl MainLoop {
    /// Handles whatever is pending, one message after the other.
    pub(super) fn handle_messages(&mut self) {
        if self.held.as_ref().is_some_and(|held| held.until > Instant::now()) {
            return;
        }
        if let Some(held) = self.held.take() {
            self.handle(held);
        }
        while let Some(&slot) = self.ready.front() {
            let Some(next) = self.next_message(slot) else {
                self.ready.retain(|&ready| ready != slot);
                continue;
            };
            let delay: Duration = next.actions.iter().map(|action| action.delay()).sum();
            if delay > Duration::ZERO {
                self.held = Some(Held { until: Instant::now() + delay, ..next });
                return;
            }
            self.handle(next);
        }
    }

    /// The next message of a client. None if there is no whole one; a client that is gone is then forgotten.
    fn next_message(&mut self, slot: u32) -> Option<Held> {
        let client = self.clients.get_mut(slot)?;
        let output = client.session.raw_output().len();
        let incoming = match client.session.poll_request() {
            Ok(Some(incoming)) => incoming,
            Ok(None) => {
                if client.is_at_end {
                    self.close(slot);
                }
                return None;
            }
            Err(error) => {
                tracing::warn!(slot, %error, "a client's stream cannot be followed");
                self.close(slot);
                return None;
            }
        };
        if let AnyRequest::SockclntCreate(hello) = &incoming.request {
            client.name = hello.name.to_str_lossy().into_owned();
        }
        let (request, name) = (&incoming.request, incoming.request.name());
        // Hello alone has no client index, so it is known by its kind and not by a field.
        self.logger.message(unix_time(), &client.name, name, Some(incoming.context), None, request);
        self.shared.api_calls.fetch_add(1, Ordering::Relaxed);
        if is_lb_write(request) {
            self.shared.lb_writes.fetch_add(1, Ordering::Relaxed);
        }
        let actions = self.faults.at_message(name, &client.name);
        Some(Held { slot, actions, output, until: Instant::now(), incoming })
    }

    fn handle(&mut self, held: Held) {
        let Held { slot, incoming, actions, output, .. } = held;
        let has = |wanted: fn(&Action) -> bool| actions.iter().any(wanted);
        let refusal = actions.iter().find_map(Action::refusal);
        let is_lost = has(|action| matches!(action, Action::Mute | Action::Cut));

        // VPP answers whoever the index in the message belongs to, and does not ask whether that is who sent it.
        let is_hello = matches!(incoming.request, AnyRequest::SockclntCreate(_));
        let to = if is_hello { Some(slot) } else { self.clients.slot_of(incoming.client_index) };
        let mut begin = output;
        if let Some(client) = to.and_then(|slot| self.clients.get_mut(slot)) {
            match is_hello {
                true if is_lost => client.session.raw_output().truncate(output),
                true => (),
                false => begin = client.session.raw_output().len(),
            }
        }
        let answered = if is_lost { None } else { to };
        let closes = match self.answer(slot, answered, &incoming, refusal) {
            Ok(closes) => closes,
            Err(fatal) => return self.crash(&fatal),
        };
        let followed = self.process.board.follow(&mut self.process.vpp);
        if let Err(error) = followed {
            return self.crash(&error);
        }

        for action in &actions {
            match *action {
                Action::CorruptFrame(how) => {
                    if let Some(client) = to.and_then(|slot| self.clients.get_mut(slot)) {
                        break_frame(client.session.raw_output(), begin, how);
                    }
                }
                Action::CorruptSegment(how) => self.process.board.corrupt(how),
                Action::Drop | Action::Cut => self.close(slot),
                Action::Restart => return self.restart_or_end(),
                Action::Mute | Action::Delay(_) | Action::Refuse(_) | Action::Absent => (),
            }
        }
        if let Some(slot) = closes {
            self.close(slot);
        }
    }

    /// Carries a request out. Returns the slot of a client that said good-bye.
    fn answer(
        &mut self,
        from: u32,
        to: Option<u32>,
        incoming: &Incoming,
        refusal: Option<Retval>,
    ) -> Result<Option<u32>, crate::lb::Fatal> {
        let named = match &incoming.request {
            AnyRequest::SockclntDelete(SockclntDelete { index }) => self.clients.slot_of(*index),
            _ => None,
        };
        let now = self.process.now();
        let mut replies = Replies {
            to: to.and_then(|slot| self.clients.get_mut(slot)),
            context: incoming.context,
            logger: &mut self.logger,
            time: now.unix,
        };
        match &incoming.request {
            AnyRequest::SockclntCreate(_) => {
                // The session has answered already; the log has not seen it.
                if let Some(client) = replies.to {
                    let welcome = SockclntCreateReply {
                        response: 0,
                        index: client.session.client_index(),
                        message_table: self.process.message_table(),
                    };
                    let name = "sockclnt_create_reply";
                    replies.logger.message(now.unix, &client.name, name, Some(incoming.context), Some(0), &welcome);
                }
            }
            AnyRequest::SockclntDelete(_) => {
                replies.send(&SockclntDeleteReply { response: if named.is_some() { 1 } else { -1 } })
            }
            AnyRequest::GetApiJson(_) => {
                let (retval, json) = match refusal {
                    Some(retval) => (retval, String::new()),
                    None => (Retval::OK, self.process.definitions()),
                };
                replies.send(&GetApiJsonReply { retval, json: Text::from(json) });
            }
            AnyRequest::GetFirstMsgId(request) => replies.send(&self.process.first_msg_id(request)),
            // Meant for shared memory; a debug VPP aborts, another one says nothing.
            AnyRequest::MemclntKeepalive(_) => tracing::warn!(slot = from, "a socket client sent memclnt_keepalive"),
            _ => self.process.vpp.handle(now, incoming, refusal, &mut replies)?,
        }
        Ok(named)
    }
}

impl super::Process {
    /// The first id of a module's messages. Only lb is known as a module, by the name of its range in each release.
    fn first_msg_id(&self, request: &GetFirstMsgId) -> GetFirstMsgIdReply {
        let range = self.vpp.identity().release.lb_message_range();
        let of_lb = self.table.table().iter().filter(|(name, _)| name.starts_with("lb_")).map(|(_, id)| id);
        match of_lb.min().filter(|_| request.name.to_str_lossy() == range) {
            Some(first_msg_id) => GetFirstMsgIdReply { retval: Retval::OK, first_msg_id },
            None => GetFirstMsgIdReply { retval: Retval::INVALID_VALUE, first_msg_id: u16::MAX },
        }
    }

    /// The definitions of what is served, as vpp-api declares it.
    fn definitions(&self) -> String {
        let mut modules = vpp_api::schema::export();
        modules.iter_mut().for_each(|module| module.retain(|name_crc| self.table.table().id(name_crc).is_some()));
        vpp_api::schema::export_array(&modules)
    }

    /// The rows of the message table, by id.
    fn message_table(&self) -> Counted<MessageTableEntry, u16> {
        let mut rows: Vec<_> = self.table.table().iter().map(|(name, index)| (index, name)).collect();
        rows.sort_unstable();
        let row = |(index, name)| MessageTableEntry { index, name: FixedString::clipped(name) };
        Counted::try_from(rows.into_iter().map(row).collect::<Vec<_>>()).unwrap_or_default()
    }
}

/// Whether a request may change what the lb plugin forwards.
fn is_lb_write(request: &AnyRequest) -> bool {
    match request {
        AnyRequest::LbConf(_)
        | AnyRequest::LbAddDelVip(_)
        | AnyRequest::LbAddDelVipV2(_)
        | AnyRequest::LbAddDelAs(_)
        | AnyRequest::LbAddDelAsV2(_)
        | AnyRequest::LbAsSetWeight(_)
        | AnyRequest::LbFlushVip(_)
        | AnyRequest::LbAddDelIntfNat4(_)
        | AnyRequest::LbAddDelIntfNat6(_) => true,
        AnyRequest::CliInband(request) => {
            let command = request.cmd.to_str_lossy();
            let mut words = command.split_whitespace();
            matches!((words.next(), words.next()), (Some("lb"), _) | (Some("test"), Some("lb")))
        }
        _ => false,
    }
}
