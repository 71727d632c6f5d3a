"""Read datasets with Spark, in a process of its own, as two versions cannot share one.

Takes one JSON object on standard input, `folders` and `queries`, and writes one to the file named
by its argument: for each folder the types, the rows, and for each query the ids of the five nearest
rows; or the error. Under `version` is the version.
"""

import json
import sys
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

NEAREST = """
SELECT number, slice(array_sort(collect_list(struct(-dot / norm AS distance, id))), 1, 5) AS best
FROM (
  SELECT number, id,
    aggregate(zip_with(vector, query, (a, b) -> a * b), 0D, (sum, product) -> sum + product) AS dot,
    sqrt(aggregate(transform(vector, a -> a * CAST(a AS DOUBLE)), 0D, (sum, a) -> sum + a)) AS norm
  FROM rows CROSS JOIN queries
)
GROUP BY number ORDER BY number
"""


def found(spark: Any, folder: str) -> dict[str, Any]:
    """Return what Spark finds in a folder; the view `queries` has the queries."""
    table = spark.read.parquet(folder)
    table.createOrReplaceTempView("rows")
    return {
        "types": {field.name: field.dataType.simpleString() for field in table.schema},
        "rows": [row.asDict() for row in table.collect()],
        "nearest": [[hit.id for hit in row.best] for row in spark.sql(NEAREST).collect()],
    }


def main(output: str) -> None:
    """Read every folder."""
    asked = json.load(sys.stdin)
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.codegen.wholeStage", "false")
        .getOrCreate()
    )
    queries = list(enumerate(asked["queries"]))
    spark.createDataFrame(queries, "number INT, query ARRAY<DOUBLE>").createOrReplaceTempView(
        "queries"
    )
    told: dict[str, Any] = {"version": spark.version}
    for folder in asked["folders"]:
        try:
            told[folder] = found(spark, folder)
        except (PySparkException, Py4JJavaError) as error:
            told[folder] = {"error": str(error)}
    Path(output).write_text(json.dumps(told))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
