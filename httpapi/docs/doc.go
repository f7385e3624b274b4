// Package docs serves the OpenAPI document of /v1, a page that shows it, and the dashboard.
package docs
