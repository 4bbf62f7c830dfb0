//! What the broker's words mean: every text of a refusal and of a status, and those that prove nothing.

use super::super::class::{ErrorClass, RejectPrefix};
use super::super::reject::RejectClass;
use super::super::status;
use ordergate_actors::order::BookState;
use ordergate_actors::ports::RateWindow;

fn rate(limit: u32, period: RateWindow) -> ErrorClass {
    ErrorClass::RateLimited { limit: Some(limit), period: Some(period) }
}

#[test]
fn every_synchronous_text_has_its_class() {
    let table = [
        ("Session Expired :  Invalid Session Key", ErrorClass::SessionExpired),
        ("session expired : invalid session key", ErrorClass::SessionExpired),
        ("Invalid Input :  Order Recieved 11 in a current second exceeds Limit 10 for user", rate(10, RateWindow::Second)),
        ("Invalid Input :  Order Recieved 121 in a current minute exceeds Limit 120 for user", rate(120, RateWindow::Minute)),
        ("Throttle limit exceeded", ErrorClass::RateLimited { limit: None, period: None }),
        ("Error Occurred : 5 \"no data\"", ErrorClass::NoData),
        ("No Data :  ", ErrorClass::NoData),
        ("Error Occurred : 2 \"invalid input\"", ErrorClass::InvalidInput),
        ("Invalid Input :  jData is Missing.", ErrorClass::InvalidInput),
        ("Invalid Input : jData is not valid json object", ErrorClass::InvalidInput),
        ("Invalid Input : basic_string::at: __n (which is 0) >= this->size() (which is 0)", ErrorClass::InvalidInput),
        ("Invalid Input :  Invalid Position Type", ErrorClass::InvalidInput),
        ("Invalid Input :  uid or pwd or factor2 or imei or apkversion or vc or appkey or source is Missing.", ErrorClass::InvalidInput),
        ("Invalid Trading Symbol", ErrorClass::InvalidInput),
        ("Rejected : ALGO_CHK: Invalid IP", ErrorClass::InvalidIp),
        ("Invalid IP address", ErrorClass::InvalidIp),
        ("Rejected : ALGO_CHK: MKT Order type not allowed for API order", ErrorClass::Rejected(RejectPrefix::AlgoCheck)),
        ("Rejected : ORA:Order not found", ErrorClass::Rejected(RejectPrefix::Oms)),
        ("Rejected : ORA:Order not found to Cancel", ErrorClass::Rejected(RejectPrefix::Oms)),
        ("REJECTED  :  SAF:order is not open to cancel", ErrorClass::Rejected(RejectPrefix::RequestState)),
        ("Rejected : RED:Margin Shortfall:INR 5", ErrorClass::Rejected(RejectPrefix::Risk)),
        ("Rejected : RED: quantity exceeds Limit 5", ErrorClass::Rejected(RejectPrefix::Risk)),
        ("Rejected : 16419: invalid data", ErrorClass::Rejected(RejectPrefix::Exchange)),
        ("Rejected : something new", ErrorClass::Rejected(RejectPrefix::Other)),
        ("Rejected : ORA:Trading session expired for segment", ErrorClass::Rejected(RejectPrefix::Oms)),
        ("Rejected : 16000: Invalid session of the market", ErrorClass::Rejected(RejectPrefix::Exchange)),
        ("Error Occurred : Session Expired", ErrorClass::SessionExpired),
        ("Server Timeout :  ", ErrorClass::ServerTimeout),
        ("Invalid Input : Wrong Password", ErrorClass::WrongPassword),
        ("Invalid Input : Invalid OTP", ErrorClass::WrongOtp),
        ("Invalid Input :  Invalid App Key", ErrorClass::BadCredentials),
        ("Invalid Input : User Not enabled on : API", ErrorClass::BadCredentials),
        ("Invalid Input : INVALID_VERIFIER", ErrorClass::BadCredentials),
        ("Invalid Input : Password Expired", ErrorClass::PasswordExpired),
        ("Invalid Input : Change Password", ErrorClass::PasswordExpired),
        ("", ErrorClass::Unknown),
        ("Something went wrong", ErrorClass::Unknown),
    ];
    for (text, class) in table {
        assert_eq!(ErrorClass::of(text), class, "{text}");
    }
}

#[test]
fn only_clear_words_refuse_a_call() {
    for class in [ErrorClass::Unknown, ErrorClass::ServerTimeout, ErrorClass::NoData] {
        assert!(!class.refuses_the_call(), "{class:?}");
    }
    for class in [ErrorClass::SessionExpired, ErrorClass::InvalidInput, ErrorClass::InvalidIp, rate(10, RateWindow::Second)] {
        assert!(class.refuses_the_call(), "{class:?}");
    }
}

#[test]
fn every_asynchronous_reason_has_its_class() {
    let table = [
        ("RED:'MIS' Orders are disallowed after system square off", RejectClass::ProductCutOff),
        ("RED:Margin Shortfall:INR 10.00 Available:INR 5.00 for C-FA12345 [X]", RejectClass::Margin),
        (
            "RED:RULE:{Check circuit limit including square off order}Current:INR 1 LowerCircuit:INR 2 UpperCircuit:INR 3:NSE.ACC-EQ for C-FA12345 [X]",
            RejectClass::Circuit,
        ),
        ("RED:RULE:{Check Freeze qty including square off order}Current:7800 Set:1801", RejectClass::Freeze),
        ("RED:RULE:{Check Peak Margin}Current", RejectClass::Margin),
        ("RED:RULE:{Check Holdings Including BTST}Eligible Sell:0", RejectClass::Risk),
        ("RED:RULE:{Allowed Basket} in Basket X", RejectClass::Risk),
        ("RED:RULE:{Option price check }", RejectClass::Risk),
        ("RED:RULE:{Allow CAC credit but disallow collateral and daylong cash for option buy}", RejectClass::Margin),
        ("RED:Block Type:NonSqoff Reason:Continuous Debit[X]", RejectClass::Blocked),
        ("ORA:AMO is stopped", RejectClass::Oms),
        ("ORA:Product MTF not enabled for Account X", RejectClass::Oms),
        ("ORA: clientid X is not active : Suspended", RejectClass::Blocked),
        ("ORA:Trigger price invalid - 0.00", RejectClass::Oms),
        ("SAF:order is not open to cancel", RejectClass::RequestRefused),
        ("saf : order is not open to modify", RejectClass::RequestRefused),
        ("ALGO_CHK: MKT Order type not allowed for API order", RejectClass::AlgoCheck),
        ("NON-COMPLIANT CLIENT CODE : X", RejectClass::Blocked),
        ("ONLY IOC ORDER ALLOWED IN RRM MODE", RejectClass::Exchange),
        ("16052 function not available", RejectClass::Exchange),
        ("16387 x", RejectClass::Exchange),
        ("16419: x invalid data in the order packet.", RejectClass::Exchange),
        ("TRANSACTION NOT ALLOWED IN CURRENT INSTRUMENT STATE", RejectClass::Exchange),
        ("Quantity 75 is not a multiple of lot size 65.00", RejectClass::Lot),
        ("Throttle limit exceeded", RejectClass::Throttle),
        ("IOC Order Cancelled", RejectClass::IocRemainder),
        ("Insufficient funds", RejectClass::Margin),
        ("something new", RejectClass::Other),
    ];
    for (text, class) in table {
        assert_eq!(RejectClass::of(text), class, "{text}");
        assert_eq!(RejectClass::of(&format!("Rejected :  {text}")), class, "{text}");
    }
}

#[test]
fn every_spelling_of_a_status_is_read() {
    let table = [
        ("COMPLETE", BookState::Complete),
        ("Complete", BookState::Complete),
        ("REJECTED", BookState::Rejected),
        ("REJECT", BookState::Rejected),
        ("CANCELED", BookState::Cancelled),
        ("CANCELLED", BookState::Cancelled),
        ("EXPIRED", BookState::Expired),
        ("Open", BookState::Open),
        ("PENDING", BookState::Open),
        ("TRIGGER_PENDING", BookState::Open),
        ("TRIGGER PENDING", BookState::Open),
        ("NEW", BookState::Open),
        ("REPLACED", BookState::Open),
        ("OPEN PENDING", BookState::Open),
        ("MODIFY_PENDING", BookState::Open),
        ("CANCEL PENDING", BookState::Open),
        ("AFTER MARKET ORDER REQ RECEIVED", BookState::Open),
    ];
    for (text, state) in table {
        assert_eq!(status::read(text, None, None), status::Reading { state, doubt: None, is_of_request: false }, "{text}");
    }
}

#[test]
fn an_order_never_ends_by_an_unknown_word_or_a_refused_request() {
    let live = [
        ("INVALID_STATUS_TYPE", None, None),
        ("FROZEN", None, None),
        ("REJECTED", None, Some("SAF:order is not open to cancel")),
        ("REJECTED", Some("CancelRejected"), None),
        ("REJECT", Some("ReplaceRejected"), Some("16419: x")),
        ("CANCELED", Some("CanAck"), None),
        ("CANCELED", Some("PendingCancel"), None),
    ];
    for (text, report, reason) in live {
        let reading = status::read(text, report, reason);
        assert_eq!(reading.state, BookState::Open, "{text} {report:?} {reason:?}");
        assert!(reading.doubt.is_some(), "{text} {report:?} {reason:?}");
    }
    // The order's own end stands, whatever became of a request about it.
    assert_eq!(status::read("COMPLETE", Some("CancelRejected"), None).state, BookState::Complete);
    assert_eq!(status::read("CANCELED", Some("Canceled"), None).state, BookState::Cancelled);
    assert_eq!(status::read("REJECTED", Some("Rejected"), Some("RED:Margin Shortfall")).state, BookState::Rejected);
}
