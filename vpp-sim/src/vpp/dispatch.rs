//! From a request to its handler and on to the answer.

use serde::Serialize;
use vpp_api::message::Message;
use vpp_api::messages::interface::WantInterfaceEventsReply;
use vpp_api::messages::lb::{
    LbAddDelAsReply, LbAddDelAsV2Reply, LbAddDelIntfNat4Reply, LbAddDelIntfNat6Reply, LbAddDelVipReply,
    LbAddDelVipV2Reply, LbAsSetWeightReply, LbConfReply, LbFlushVipReply,
};
use vpp_api::messages::memclnt::ApiVersionsReply;
use vpp_api::server::{AnyRequest, Incoming};
use vpp_api::types::{Counted, Retval, Text};

use super::{Now, Vpp};
use crate::lb::Fatal;

/// Takes the messages that answer a request.
pub(crate) trait Answers {
    fn send<M: Message + Serialize>(&mut self, message: &M);
}

impl Vpp {
    /// Carries a request out and answers it. What VPP has no handler for is not answered.
    ///
    /// With a `refusal` the request is not carried out, and a reply has that retval; dumps then show nothing.
    ///
    /// # Errors
    /// What VPP dies of; there is no answer then.
    pub(crate) fn handle(
        &mut self,
        now: Now,
        incoming: &Incoming,
        refusal: Option<Retval>,
        answers: &mut impl Answers,
    ) -> Result<(), Fatal> {
        /// A reply that is a retval and nothing else.
        macro_rules! plain {
            ($reply:ident, $handled:expr) => {{
                let retval = match refusal {
                    Some(retval) => retval,
                    None => $handled,
                };
                answers.send(&$reply { retval })
            }};
        }
        /// A reply with more in it, from a request that changes nothing.
        macro_rules! filled {
            ($handled:expr) => {{
                let mut reply = $handled;
                reply.retval = refusal.unwrap_or(reply.retval);
                answers.send(&reply)
            }};
        }
        /// A reply per element.
        macro_rules! dump {
            ($handled:expr) => {
                if refusal.is_none() {
                    $handled.iter().for_each(|details| answers.send(details));
                }
            };
        }
        match &incoming.request {
            AnyRequest::ControlPing(_) => filled!(self.control_ping(incoming.client_index)),
            AnyRequest::ShowVersion(_) => filled!(self.show_version()),
            AnyRequest::ShowVpeSystemTime(_) => filled!(self.show_vpe_system_time(now)),
            AnyRequest::ApiVersions(_) => {
                filled!(ApiVersionsReply { retval: Retval::OK, api_versions: Counted::new() })
            }
            AnyRequest::CliInband(request) => match refusal {
                Some(retval) => {
                    answers.send(&vpp_api::messages::vlib::CliInbandReply { retval, reply: Text::default() })
                }
                None => answers.send(&self.cli_inband(now, request)?),
            },
            AnyRequest::IpRouteLookup(request) => filled!(self.ip_route_lookup(request)),
            AnyRequest::IpRouteLookupV2(request) => filled!(self.ip_route_lookup_v2(request)),
            AnyRequest::SwInterfaceDump(request) => dump!(self.sw_interface_dump(request)),
            AnyRequest::WantInterfaceEvents(request) => {
                plain!(WantInterfaceEventsReply, self.want_interface_events(incoming.client_index, request))
            }
            AnyRequest::LbConf(request) => plain!(LbConfReply, self.lb_conf(request)),
            AnyRequest::LbConfGet(_) => filled!(self.lb_conf_get()),
            AnyRequest::LbAddDelVip(request) => plain!(LbAddDelVipReply, self.lb_add_del_vip(now, request)?),
            AnyRequest::LbAddDelVipV2(request) => plain!(LbAddDelVipV2Reply, self.lb_add_del_vip_v2(now, request)?),
            AnyRequest::LbAddDelAs(request) => plain!(LbAddDelAsReply, self.lb_add_del_as(now, request)),
            AnyRequest::LbAddDelAsV2(request) => plain!(LbAddDelAsV2Reply, self.lb_add_del_as_v2(now, request)),
            AnyRequest::LbAsSetWeight(request) => plain!(LbAsSetWeightReply, self.lb_as_set_weight(request)),
            AnyRequest::LbFlushVip(request) => plain!(LbFlushVipReply, self.lb_flush_vip(request)),
            AnyRequest::LbVipDump(_) => dump!(self.lb_vip_dump()),
            AnyRequest::LbAsDump(request) => dump!(self.lb_as_dump(request)),
            AnyRequest::LbAsV2Dump(request) => dump!(self.lb_as_v2_dump(request)),
            AnyRequest::LbAddDelIntfNat4(request) => plain!(LbAddDelIntfNat4Reply, self.lb_add_del_intf_nat4(request)),
            AnyRequest::LbAddDelIntfNat6(request) => plain!(LbAddDelIntfNat6Reply, self.lb_add_del_intf_nat6(request)),
            AnyRequest::Truncated { name, source } => tracing::warn!(name, %source, "truncated message"),
            request => tracing::warn!(name = request.name(), "no handler for this message"),
        }
        Ok(())
    }
}
