package paytm

import "strings"

// vocabulary is the closed list of names a type of message is known to have: in a form, and in
// the body of JSON.
type vocabulary struct {
	form, body map[string]bool
}

// The names of a payment are those of Paytm's payment webhook page and of the class for it in
// Paytm's Java SDK, and of further ones seen only such as come after "MID" in byte order.
//
// That limit is on purpose. A forger who controls the value of comments or udf_1 must hide every
// genuine value that sorts before it under some known name that sorts before MID. A message has
// more such values than there are such names, and each name added here (BIN, LASTFOURDIGITS,
// ADDITIONAL_PARAM, …) would be one more place to hide. A name left out loses nobody a sale: the
// message has to be confirmed by the API, as most messages are anyway. ENC_DATA is left out
// because Paytm publishes no way to read it.
const (
	paymentForm = `ACCNUMVERSUCCESS AUTHCODE BANKNAME BANKTXNID CHECKSUMHASH CHILDTXNLIST CURRENCY
		CUSTID FUNDSOURCEVERIFICATION GATEWAYNAME LOYALTYPOINTS MERC_UNQ_REF MID
		Masked_customer_mobile_number ORDERID PAYMENTMODE POS_ID PRN PROMO_CAMP_ID PROMO_RESPCODE
		PROMO_STATUS REFUNDAMT RESPCODE RESPMSG RRN STATUS SUBS_ID TXNAMOUNT TXNDATE TXNDATETIME
		TXNID TXNTYPE VPA cardIndexNo clientId comments maskedCardNo pccCode udf_1 udf_2 udf_3
		uniqueReferenceLabel uniqueReferenceValue

		PAYABLE_AMOUNT PAYMENT_PROMO_CHECKOUT_DATA RESULTCODE cardHash cardScheme emiSubventionInfo
		feeRateFactors prepaidCard riskInfo`

	linkForm = `LINKDESCRIPTION LINKNOTES PAYMENTEMAILID PAYMENTFORM PAYMENTMOBILENUMBER`

	// JSON has its exact bytes signed, so that nothing can hide in it.
	paymentBody = `mid orderId txnId txnAmount currency status respCode respMsg txnType paymentMode
		gatewayName bankName bankTxnId custId txnDate txnDateTime subsId subscriptionId mercUnqRef
		merchantUniqueReference posId promoCampId promoRespCode promoStatus refundAmt refundId
		refId cardIndexNo maskedCardNo cardHash cardScheme prepaidCard authCode rrn vpa
		loyaltyPoints childTxnList childTransaction comments udf1 udf2 udf3 udf_1 udf_2 udf_3
		pccCode prn uniqueReferenceLabel uniqueReferenceValue maskedCustomerMobileNumber clientId
		feeRateFactors riskInfo emiSubventionInfo payableAmount linkId linkNotes linkDescription`
)

var (
	paymentNames = vocabulary{form: set(paymentForm), body: set(paymentBody)}
	linkNames    = vocabulary{form: set(paymentForm + " " + linkForm), body: set(paymentBody)}

	// The older form is Paytm's Java SDK's, the body that of the accept-refund and success-refund
	// pages.
	refundNames = vocabulary{
		form: set(`TXNID ORDERID TXNAMOUNT TXNSTATUS STATUS RESPCODE RESPMSG MID REFUNDAMOUNT
			TXNDATE TOTALREFUNDAMT REFUNDDATE REFID GATEWAY PAYMENTMODE REFUNDID REFUNDTYPE RRN
			CHECKSUMHASH CLIENTID TXNTYPE CURRENCY BANKTXNID GATEWAYNAME BANKNAME TXNDATETIME
			REFUNDDATETIME`),
		body: set(`mid orderId txnId txnAmount txnTimestamp txnType currency status respCode
			respMsg refId refundId refundAmount totalRefundAmount refundReason source agentInfo
			gatewayInfo refundDetailInfoList merchantRefundRequestTimestamp acceptRefundTimestamp
			userCreditInitiateTimestamp rejectRefundReasonCode rejectRefundReasonMessage
			paymentMode bankTxnId bankName txnDate`),
	}

	disputeNames = vocabulary{
		form: set(`CHECKSUMHASH`),
		body: set(`mid orderId transactionId transactionAmount transactionDateTime disputeId
			disputeAmount disputeDueDate disputeType disputeStatus bankReferenceNo message
			extSerialNo merchantName custId`),
	}
)

func set(list string) map[string]bool {
	names := make(map[string]bool)
	for name := range strings.FieldsSeq(list) {
		names[name] = true
	}
	return names
}
