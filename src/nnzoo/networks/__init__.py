"""The networks of the chart, one file each; ``parts`` holds what several of them share."""
