//! The macro that declares messages.

/// Declares messages, VPP's `define name { .. }` and the `service` that goes with it: one entry each.
///
/// ```text
/// KIND NAME "CRC" as Type => Answer OPTIONS { FIELD, .. }
///
/// KIND     from clients   answered with             in front of the fields
/// request  yes            one reply                 client_index, context
/// dump     yes            details, no end mark      client_index, context
/// get      yes            details, then a reply     client_index, context    => Reply stream Details
/// oneway   yes            nothing                   client_index, context    no answer
/// hello    yes            a reply                   context
/// reply    no                                       context, and `retval`, which is not listed
/// answer   no                                       context; implement `Reply` by hand: see below
/// details  no                                       context
/// event    no                                       client_index
/// bare     either way     nothing                   nothing
///
/// NAME     as in VPP's definition;  CRC: the 8 hexadecimal digits that belong to it
/// OPTIONS  [client_index]           reply, answer, details: a client_index stands before the context
///          [events A, B]            request: events that VPP sends from then on
///          [spare 1]                bytes that VPP may send behind the last field
/// FIELD    as in wire_struct!, `type` spelled r#type; a get and its reply have a `cursor`, or neither has
/// ```
///
/// VPP keeps the CRC in `.api.json` files; [`schema::crc`](crate::schema::crc) computes it from a declaration, so that
/// a test can tell whether name, type and order of each field are VPP's. The generator `vpp-api-gen` writes such
/// declarations from those files.
///
/// Each entry gives a struct with public fields, [`Message`](crate::message::Message) and the trait of its kind,
/// `Clone`, `Debug`, `Default` (VPP's defaults, else zeros), `Eq` and, with feature `serde` of this crate,
/// `serde::Serialize`, in which `retval` of a reply is left out and a field whose type has none is its `Debug` text.
/// One invocation per module: it also makes a function `visit`, which shows the module's messages to a
/// [`Visitor`](crate::messages::Visitor), such as [`schema::Module`](crate::schema::Module) or, with feature `server`,
/// `server::Names`. Comments that begin with `//!`, in front of the first entry, go on with the documentation of
/// `visit`.
///
/// # Example
///
/// A plugin that this crate does not know:
///
/// ```
/// use vpp_api::message::Reply;
/// use vpp_api::types::{Counted, InterfaceIndex, Retval, Text};
///
/// vpp_api::messages! {
///     /// Adds a rule.
///     request acme_add "c684b885" as AcmeAdd => AcmeAddReply {
///         /// Where it applies.
///         sw_if_index: InterfaceIndex = 4294967295,
///         n_ports: u8 = len(ports),
///         /// For which ports.
///         ports: Counted<u16, u8> [n_ports],
///     }
///
///     /// Answer to [`AcmeAdd`].
///     reply acme_add_reply "da31f070" as AcmeAddReply {
///         /// Where the rule stands.
///         rule_index: u32,
///     }
///
///     /// Asks for all rules.
///     dump acme_dump "51077d14" as AcmeDump => AcmeDetails {}
///
///     /// One rule.
///     details acme_details "5f0f3376" as AcmeDetails {
///         /// Where it stands.
///         rule_index: u32,
///         /// What it is for.
///         comment: Text,
///     }
///
///     /// Asks for [`AcmeEvent`]s.
///     request want_acme_events "3ec6d6c2" as WantAcmeEvents => WantAcmeEventsReply [events AcmeEvent] {
///         /// On or off.
///         enable: bool = true,
///         /// Copied into each event.
///         pid: u32,
///     }
///
///     /// Answer to [`WantAcmeEvents`], whose result code has a name of its own.
///     answer want_acme_events_reply "8f38b1ee" as WantAcmeEventsReply {
///         /// Result code.
///         response: i32,
///     }
///
///     /// A rule was hit.
///     event acme_event "ee93e6df" as AcmeEvent {
///         /// As given in [`WantAcmeEvents`].
///         pid: u32,
///         /// The rule.
///         rule_index: u32,
///     }
/// }
///
/// impl Reply for WantAcmeEventsReply {
///     fn retval(&self) -> Retval {
///         Retval(self.response)
///     }
/// }
///
/// assert!(WantAcmeEvents::default().enable);
/// assert_eq!(vpp_api::schema::crc::<AcmeAdd>(), 0xc684b885);
/// ```
///
/// With the tokio client: `client.call(&AcmeAdd { .. }).await?.rule_index`, `client.dump(&AcmeDump {}).await?`.
/// What is declared as `oneway` goes out by `client.send(..)?`.
#[macro_export]
macro_rules! messages {
    ($(#![$visit_meta:meta])* $(
        $(#[$meta:meta])*
        $kind:ident $name:ident $crc:literal as $ty:ident $(=> $answer:ident $(stream $details:ident)?)? $([$($option:tt)*])* {
            $($fields:tt)*
        }
    )*) => {
        $( $crate::__vpp_message! {
            @$kind ($(#[$meta])* $name $crc $ty) [$($answer $(stream $details)?)?] [$([$($option)*])*] { $($fields)* }
        } )*

        /// Shows every message of this module to `visitor`, in the order of their declarations.
        $(#[$visit_meta])*
        pub fn visit(visitor: &mut impl $crate::messages::Visitor) {
            $( $crate::messages::Visitor::visit::<$ty>(visitor); )*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_message {
    (@request $about:tt [$reply:ident] $options:tt $fields:tt) => {
        $crate::__vpp_message! {
            @define $about Request [] [$crate::schema::Service::reply(<$reply as $crate::message::Message>::NAME)]
            $options $fields
        }
        $crate::__vpp_message! { @request_of $about $reply }
    };
    (@request_of ($(#[$meta:meta])* $name:ident $crc:literal $ty:ident) $reply:ident) => {
        impl $crate::message::Request for $ty {
            type Reply = $reply;
        }
    };
    (@hello $about:tt [$reply:ident] $options:tt $fields:tt) => {
        $crate::__vpp_message! {
            @define $about Hello [] [$crate::schema::Service::reply(<$reply as $crate::message::Message>::NAME)]
            $options $fields
        }
    };
    (@get $about:tt [$reply:ident stream $details:ident] $options:tt $fields:tt) => {
        $crate::__vpp_message! {
            @define $about Get []
            [$crate::schema::Service::stream(
                <$reply as $crate::message::Message>::NAME,
                <$details as $crate::message::Message>::NAME,
            )]
            $options $fields
        }
        $crate::__vpp_fields! { __vpp_get ($about $reply $details) [] [] $fields }
    };
    (@dump $about:tt [$details:ident] $options:tt $fields:tt) => {
        $crate::__vpp_message! {
            @define $about Dump [] [$crate::schema::Service::dump(<$details as $crate::message::Message>::NAME)]
            $options $fields
        }
        $crate::__vpp_message! { @dump_of $about $details }
    };
    (@dump_of ($(#[$meta:meta])* $name:ident $crc:literal $ty:ident) $details:ident) => {
        impl $crate::message::Dump for $ty {
            type Details = $details;
        }
    };
    (@oneway $about:tt [] $options:tt $fields:tt) => {
        $crate::__vpp_message! { @define $about Request [] [$crate::schema::Service::NONE] $options $fields }
        $crate::__vpp_message! { @oneway_of $about }
    };
    (@oneway_of ($(#[$meta:meta])* $name:ident $crc:literal $ty:ident)) => {
        impl $crate::message::Oneway for $ty {}
    };
    (@reply $about:tt [] $options:tt { $($fields:tt)* }) => {
        $crate::__vpp_message! { @define $about Reply ["retval"] [] $options {
            /// Result code. Not serialised: in a log it stands beside the fields.
            retval: $crate::types::Retval,
            $($fields)*
        } }
        $crate::__vpp_message! { @reply_of $about }
    };
    (@reply_of ($(#[$meta:meta])* $name:ident $crc:literal $ty:ident)) => {
        impl $crate::message::Reply for $ty {
            fn retval(&self) -> $crate::types::Retval {
                self.retval
            }
        }
    };
    (@answer $about:tt [] $options:tt $fields:tt) => {
        $crate::__vpp_message! { @define $about Reply ["retval"] [] $options $fields }
    };
    (@hello_reply $about:tt [] $options:tt $fields:tt) => {
        $crate::__vpp_message! { @define $about HelloReply ["retval"] [] $options $fields }
    };
    (@details $about:tt [] $options:tt $fields:tt) => {
        $crate::__vpp_message! { @define $about Details [] [] $options $fields }
    };
    (@event $about:tt [] $options:tt $fields:tt) => {
        $crate::__vpp_message! { @define $about Event [] [] $options $fields }
        $crate::__vpp_message! { @event_of $about }
    };
    (@event_of ($(#[$meta:meta])* $name:ident $crc:literal $ty:ident)) => {
        impl $crate::message::Event for $ty {}
    };
    (@bare $about:tt [] $options:tt $fields:tt) => {
        $crate::__vpp_message! { @define $about Bare [] [] $options $fields }
    };

    (@define $about:tt $kind:ident [$($hidden:literal)?] [$($service:expr)?] $options:tt $fields:tt) => {
        $crate::__vpp_fields! {
            __vpp_message ($about $kind [$($hidden)?] [$($service)?] $options) [] [] $fields
        }
    };

    (@fields
        (
            ($(#[$meta:meta])* $name:ident $crc:literal $ty:ident)
            $kind:ident [$($hidden:literal)?] [$($service:expr)?] $options:tt
        )
        [$({ $(#[$field_meta:meta])* $field:ident ($field_ty:ty) ($default:expr) })*]
        [$($item:tt)*]
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $ty {
            $( $(#[$field_meta])* pub $field: $field_ty, )*
        }

        impl ::core::default::Default for $ty {
            /// VPP's defaults, zeros where it has none.
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::message::Message for $ty {
            const NAME: &'static str = stringify!($name);
            const CRC: u32 = $crate::message::hex($crc);
            const NAME_CRC: &'static str = concat!(stringify!($name), "_", $crc);
            const KIND: $crate::message::Kind = $crate::__vpp_message!(@kind $kind $options);
            const FIELDS: &'static [$crate::schema::Field] = &[$( $crate::__vpp_item!(@field $item) ),*];
            $( const SERVICE: ::core::option::Option<$crate::schema::Service> = ::core::option::Option::Some(
                $service.with_events($crate::__vpp_message!(@events $options)),
            ); )?
            const SPARE: usize = $crate::__vpp_message!(@spare $options);

            fn decode(
                _reader: &mut $crate::codec::Reader<'_>,
            ) -> ::core::result::Result<Self, $crate::error::DecodeError> {
                $( $crate::__vpp_item! { @decode _reader $item } )*
                ::core::result::Result::Ok(Self { $($field),* })
            }

            fn encode(&self, _writer: &mut $crate::codec::Writer<'_>) {
                $( $crate::__vpp_item! { @encode self _writer $item } )*
            }

            $crate::__vpp_message! { @status $kind }
        }

        $crate::__vpp_serialize! { struct $ty [$($field)*] [$($hidden)?] }
    };

    (@status Reply) => {
        fn status(&self) -> ::core::option::Option<$crate::types::Retval> {
            ::core::option::Option::Some($crate::message::Reply::retval(self))
        }
    };
    (@status HelloReply) => { $crate::__vpp_message! { @status Reply } };
    (@status $kind:ident) => {};

    (@kind Reply [[client_index] $($rest:tt)*]) => { $crate::message::Kind::IndexedReply };
    (@kind Details [[client_index] $($rest:tt)*]) => { $crate::message::Kind::IndexedDetails };
    (@kind $kind:ident [$other:tt $($rest:tt)*]) => { $crate::__vpp_message!(@kind $kind [$($rest)*]) };
    (@kind $kind:ident []) => { $crate::message::Kind::$kind };

    (@events [[events $($event:ty),+ $(,)?] $($rest:tt)*]) => {
        &[$( <$event as $crate::message::Message>::NAME ),+]
    };
    (@events [$other:tt $($rest:tt)*]) => { $crate::__vpp_message!(@events [$($rest)*]) };
    (@events []) => { &[] };

    (@spare [[spare $spare:literal] $($rest:tt)*]) => { $spare };
    (@spare [$other:tt $($rest:tt)*]) => { $crate::__vpp_message!(@spare [$($rest)*]) };
    (@spare []) => { 0 };
}

/// How a request for a stream goes on: with the cursor of the reply, if there are cursors.
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_get {
    (@fields
        (($(#[$meta:meta])* $name:ident $crc:literal $ty:ident) $reply:ident $details:ident) [$($member:tt)*] $items:tt
    ) => {
        impl $crate::message::Get for $ty {
            type Details = $details;
            type Reply = $reply;

            fn following(&self, reply: &$reply) -> ::core::option::Option<Self> {
                let mut next = ::core::clone::Clone::clone(self);
                let again = $crate::message::Reply::retval(reply) == $crate::message::CALL_AGAIN;
                $crate::__vpp_get! { @cursor next reply again $items }
            }
        }
    };
    (@cursor $next:ident $reply:ident $again:ident [(plain cursor $($about:tt)*) $($rest:tt)*]) => {{
        $next.cursor = $reply.cursor;
        $again.then_some($next)
    }};
    (@cursor $next:ident $reply:ident $again:ident [$item:tt $($rest:tt)*]) => {
        $crate::__vpp_get! { @cursor $next $reply $again [$($rest)*] }
    };
    // Without a cursor the same request would begin anew.
    (@cursor $next:ident $reply:ident $again:ident []) => {{
        let _ = (&mut $next, $again);
        ::core::option::Option::None
    }};
}
