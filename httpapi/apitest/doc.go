// Package apitest has a listening server whose dependencies are all scripted, for the tests of httpapi and the packages
// below it. Rig.Do checks each answer against the OpenAPI document.
package apitest
