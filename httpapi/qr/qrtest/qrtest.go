// Package qrtest reads pictures of codes back, for tests.
package qrtest

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Code has the form and the length of the codes that WhatsApp's client library issues.
const Code = "https://wa.me/settings/linked_devices#2@vY7dQx0kq3oVbLx1nG5h8mC2wJ9tR4sE6aZ0uI7pK1fD3gH5jL8cB2nM4qW6eT9yU+/xSvAoPzQ=," +
	"kJ8sV3bN1mZ7xC5vB9nM2aS4dF6gH8jK0lQ1wE3rT5Y=,pO9iU7yT5rE3wQ1aS2dF4gH6jK8lZ0xC9vB7nM5qW3E=,mN1bV3cX5zL7kJ9hG2fD4sA6pO8iU0yT1rE3wQ5aS7D=,1"

// Decode reads a QR with a decoder that shares nothing with the one that drew it.
func Decode(t testing.TB, content []byte) string {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("decode the PNG: %v", err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatalf("no QR in the picture: %v\n%s", err, base64.StdEncoding.EncodeToString(content))
	}
	return result.GetText()
}

var dataURL = regexp.MustCompile(`data:image/png;base64,[A-Za-z0-9+/=]+`)

// Readable replaces every picture by what it says, so that literals stay readable and the pictures are checked.
func Readable(t testing.TB, body string) string {
	t.Helper()
	return dataURL.ReplaceAllStringFunc(body, func(url string) string {
		content, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, "data:image/png;base64,"))
		if err != nil {
			t.Fatal(err)
		}
		text := Decode(t, content)
		if text == Code {
			text = "CODE"
		}
		return "<PNG of " + text + ">"
	})
}
