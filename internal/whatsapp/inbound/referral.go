package inbound

import (
	"cmp"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/message"
)

// referralOf returns what led the sender to the chat, or nil if the message does not say it.
func referralOf(info *waE2E.ContextInfo) *message.Referral {
	out := &message.Referral{
		UTMSource: info.GetUtm().GetUtmSource(), UTMCampaign: info.GetUtm().GetUtmCampaign(), Signals: info.GetCtwaSignals(), Context: info.GetCtwaPayload(),
	}
	said := out.UTMSource != "" || out.UTMCampaign != "" || out.Signals != "" || len(out.Context) > 0
	if ad := info.GetExternalAdReply(); ad != nil {
		said = true
		addAdvertisement(ad, out)
	}
	if ad := info.GetQuotedAd(); ad != nil { // of a status
		said = true
		out.Advertiser, out.Body = ad.GetAdvertiserName(), cmp.Or(out.Body, ad.GetCaption())
		out.MediaType = cmp.Or(out.MediaType, enumWord(ad.GetMediaType(), "NONE"))
		if out.Thumbnail == nil {
			out.Thumbnail = ad.GetJPEGThumbnail()
		}
	}
	if conversion := (message.Conversion{
		Source: info.GetConversionSource(), Data: info.GetConversionData(), Delay: int64(info.GetConversionDelaySeconds()),
	}); conversion.Source != "" || len(conversion.Data) > 0 {
		said, out.Conversion = true, &conversion
	}
	if entry := (message.EntryPoint{
		Source: info.GetEntryPointConversionSource(), App: info.GetEntryPointConversionApp(), Delay: int64(info.GetEntryPointConversionDelaySeconds()),
		ExternalSource: info.GetEntryPointConversionExternalSource(), ExternalMedium: info.GetEntryPointConversionExternalMedium(),
	}); entry.Source+entry.App+entry.ExternalSource+entry.ExternalMedium != "" {
		said, out.EntryPoint = true, &entry
	}
	if !said {
		return nil
	}
	return out
}

func addAdvertisement(ad *waE2E.ContextInfo_ExternalAdReplyInfo, out *message.Referral) {
	out.SourceType, out.SourceID, out.SourceURL, out.SourceApp = ad.GetSourceType(), ad.GetSourceID(), ad.GetSourceURL(), ad.GetSourceApp()
	out.ClickID, out.Title, out.Body, out.Ref = ad.GetCtwaClid(), ad.GetTitle(), ad.GetBody(), ad.GetRef()
	out.MediaType, out.MediaURL = enumWord(ad.GetMediaType(), "NONE"), ad.GetMediaURL()
	out.Thumbnail, out.ThumbnailURL = ad.GetThumbnail(), cmp.Or(ad.GetThumbnailURL(), ad.GetOriginalImageURL())
	out.Greeting, out.Payload = ad.GetGreetingMessageBody(), ad.GetCtaPayload()
	if ad.AdType != nil {
		out.AdType = enumWord(ad.GetAdType())
	}
}
