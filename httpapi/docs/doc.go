// Package docs is the part of /v1 that describes it: the OpenAPI document, a page for people, and the dashboard.
package docs
