// Package apitest is a listening server of which everything behind it is scripted, for the tests of httpapi and the packages
// below it. Each answer that comes through Rig.Do is held against the OpenAPI document.
package apitest
